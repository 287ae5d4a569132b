import base64
import hashlib
import hmac
import time


def verify_webhook(secret: str, headers, body: bytes) -> bool:
    """Return whether a request comes from us. body holds the bytes as they were sent."""
    message_id = headers.get("webhook-id", "")
    timestamp = headers.get("webhook-timestamp", "")
    if not timestamp.isdigit() or abs(time.time() - int(timestamp)) > 300:
        return False  # too old: somebody may have recorded it
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{message_id}.{timestamp}.".encode() + body
    expected = b"v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())
    signatures = headers.get("webhook-signature", "").encode().split(b" ")
    return any(hmac.compare_digest(expected, signature) for signature in signatures)


# @app.post("/webhooks")  # Flask
# def webhook():
#     if not verify_webhook(os.environ["WEBHOOK_SECRET"], request.headers, request.get_data()):
#         abort(401)
#     return ""
