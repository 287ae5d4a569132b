# Serves the Rack application of a file, a request at a time.
require "socket"
require "stringio"

load ARGV[0]

def answer(socket)
  method, path, = socket.gets.to_s.split
  env = { "REQUEST_METHOD" => method, "PATH_INFO" => path }
  while (line = socket.gets.to_s.chomp) != ""
    name, value = line.split(/:\s*/, 2)
    env["HTTP_" + name.upcase.tr("-", "_")] = value
  end
  env["CONTENT_TYPE"] = env.delete("HTTP_CONTENT_TYPE")
  env["rack.input"] = StringIO.new(socket.read(env["HTTP_CONTENT_LENGTH"].to_i).b)
  begin
    status, headers, body = APPLICATION.call(env)
  rescue StandardError => e
    warn e.full_message
    status, headers, body = 500, {}, []
  end
  text = body.join
  head = headers.merge("content-length" => text.bytesize, "connection" => "close").map { |name, value| "#{name}: #{value}\r\n" }.join
  socket.write("HTTP/1.1 #{status} x\r\n#{head}\r\n#{text}")
end

server = TCPServer.new(ENV.fetch("HOST"), ENV.fetch("PORT").to_i)
loop do
  socket = server.accept
  begin
    answer(socket)
  rescue SystemCallError, NoMethodError => e
    warn e.full_message
  ensure
    socket.close
  end
end
