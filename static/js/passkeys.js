/* Passkeys: forms marked data-passkey="add", "use" or "sign-in" ask the browser for a credential and send it. */

const ENCODED = ["rawId", "clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"];

function bytes(text) {
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}

function text(buffer) {
  const binary = String.fromCharCode(...new Uint8Array(buffer));
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/* The server writes binary members in base64url. */
function decoded(publicKey) {
  const options = { ...publicKey, challenge: bytes(publicKey.challenge) };
  if (options.user) options.user = { ...options.user, id: bytes(options.user.id) };
  for (const list of ["excludeCredentials", "allowCredentials"]) {
    if (options[list]) options[list] = options[list].map((one) => ({ ...one, id: bytes(one.id) }));
  }
  return options;
}

function encoded(credential) {
  const response = {};
  for (const name of ENCODED) {
    if (credential.response[name]) response[name] = text(credential.response[name]);
  }
  if (credential.response.getTransports) response.transports = credential.response.getTransports();
  return {
    type: credential.type,
    id: credential.id,
    rawId: text(credential.rawId),
    authenticatorAttachment: credential.authenticatorAttachment,
    response,
    clientExtensionResults: credential.getClientExtensionResults(),
  };
}

async function optionsFor(form) {
  if (form.dataset.passkey !== "sign-in") {
    return JSON.parse(document.getElementById("passkey-options").textContent);
  }
  const answer = await fetch(form.action, {
    headers: { Accept: "application/json", "X-Requested-With": "XMLHttpRequest" },
  });
  if (!answer.ok) throw new Error("no options");
  return answer.json();
}

async function create(form, options) {
  const publicKey = decoded(options.creation_options.publicKey);
  const alone = form.elements.passwordless?.checked ?? false;
  publicKey.authenticatorSelection = {
    ...publicKey.authenticatorSelection,
    residentKey: alone ? "required" : "discouraged",
    requireResidentKey: alone,
  };
  if (alone) publicKey.authenticatorSelection.userVerification = "required";
  return navigator.credentials.create({ publicKey });
}

async function run(form, failed) {
  failed.hidden = true;
  try {
    const options = await optionsFor(form);
    const credential =
      form.dataset.passkey === "add"
        ? await create(form, options)
        : await navigator.credentials.get({ publicKey: decoded(options.request_options.publicKey) });
    form.elements.credential.value = JSON.stringify(encoded(credential));
    form.submit();
  } catch {
    failed.hidden = false;
  }
}

for (const form of document.querySelectorAll("form[data-passkey]")) {
  const part = (name) => form.querySelector(`[data-passkey-part="${name}"]`);
  const supported = window.PublicKeyCredential && navigator.credentials;
  part(supported ? "button" : "unsupported").hidden = false;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (supported) run(form, part("failed"));
  });
}
