"""SCIM 2.0 (RFC 7643, RFC 7644): the door through which an organization's directory keeps its people and groups."""
