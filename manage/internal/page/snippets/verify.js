const crypto = require("node:crypto");

// Returns whether a request comes from us. body is a Buffer with the bytes as they
// were sent, and the names in headers are in lower case, as in Node's requests.
function verifyWebhook(secret, headers, body) {
  const id = headers["webhook-id"] ?? "";
  const timestamp = headers["webhook-timestamp"] ?? "";
  if (!(Math.abs(Date.now() / 1000 - Number(timestamp)) <= 300)) {
    return false; // too old: somebody may have recorded it
  }
  const key = Buffer.from(secret.slice("whsec_".length), "base64");
  const signed = Buffer.concat([Buffer.from(`${id}.${timestamp}.`), body]);
  const expected = Buffer.from("v1," + crypto.createHmac("sha256", key).update(signed).digest("base64"));
  return (headers["webhook-signature"] ?? "").split(" ").some((signature) => {
    const given = Buffer.from(signature);
    return given.length === expected.length && crypto.timingSafeEqual(given, expected);
  });
}

// app.post("/webhooks", express.raw({ type: "*/*" }), (req, res) => {
//   res.sendStatus(verifyWebhook(process.env.WEBHOOK_SECRET, req.headers, req.body) ? 200 : 401);
// });
