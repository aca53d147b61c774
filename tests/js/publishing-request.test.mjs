import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { endOfDay, publishingRequest, splitUsers } from "../../static/js/rms/publishing-request.js";

const people = [
  { users: "bob@contoso.example, erin@individual.example", role: "VIEWER" },
  { users: "members", role: "AUTHOR" },
  { users: " ;\n ", role: "COOWNER" },
  { users: "bob@contoso.example group:team@contoso.example", role: "VIEWER" },
];
const adHoc = (changes) => publishingRequest({ fileName: "a.txt", templateId: null, people, offline: "always", ...changes });

describe("request for a license", () => {
  it("names a template and nothing of a policy", () => {
    assert.deepEqual(publishingRequest({ fileName: "a.txt", templateId: "{x}" }), {
      TemplateId: "{x}", PreferDeprecatedAlgorithms: false, AllowAuditedExtraction: false, FileName: "a.txt", Sealed: true,
    });
  });

  it("gathers people by level, each once, and leaves out empty lines", () => {
    assert.deepEqual(adHoc().Policy.UserRoles, [
      { Users: ["bob@contoso.example", "erin@individual.example", "group:team@contoso.example"], Roles: ["VIEWER"] },
      { Users: ["members"], Roles: ["AUTHOR"] },
    ]);
  });

  it("refuses a policy for nobody", () => {
    assert.throws(() => adHoc({ people: [{ users: " , ", role: "VIEWER" }] }), { code: "no-people" });
  });

  for (const [offline, allow, days] of [["always", true, -1], ["never", false, 0], ["days", true, 5]]) {
    it(`says offline ${offline}`, () => {
      const { Policy } = adHoc({ offline, offlineDays: 5 });
      assert.deepEqual([Policy.allowOfflineAccess, Policy.IntervalTimeInDays], [allow, days]);
    });
  }

  it("says when it expires only when it does", () => {
    assert.equal("LicenseValidUntil" in adHoc({ expires: "" }).Policy, false);
    const until = adHoc({ expires: "2030-05-06" }).Policy.LicenseValidUntil;
    assert.match(until, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    assert.equal(new Date(until).getTime(), new Date(2030, 4, 6, 23, 59, 59).getTime());
  });

  it("refuses what is no day", () => assert.throws(() => endOfDay("soon"), { code: "bad-date" }));

  it("splits what was typed", () => {
    assert.deepEqual(splitUsers(" a@x.example;b@x.example\t,, @y.example\n"), ["a@x.example", "b@x.example", "@y.example"]);
  });
});
