require "openssl"

# Returns whether a request comes from us. body holds the bytes as they were sent.
def verify_webhook(secret, headers, body)
  id = headers["webhook-id"].to_s
  timestamp = headers["webhook-timestamp"].to_s
  return false unless timestamp.match?(/\A\d+\z/) && (Time.now.to_i - timestamp.to_i).abs <= 300 # else it may be recorded

  key = secret.delete_prefix("whsec_").unpack1("m")
  expected = "v1," + [OpenSSL::HMAC.digest("SHA256", key, "#{id}.#{timestamp}.".b + body.b)].pack("m0")
  headers["webhook-signature"].to_s.split(" ").any? do |signature|
    signature.bytesize == expected.bytesize && OpenSSL.fixed_length_secure_compare(signature, expected)
  end
end

# post "/webhooks" do # Sinatra
#   headers = %w[id timestamp signature].to_h { |name| ["webhook-#{name}", request.env["HTTP_WEBHOOK_#{name.upcase}"]] }
#   halt 401 unless verify_webhook(ENV["WEBHOOK_SECRET"], headers, request.body.read)
# end
