"""Serves the WSGI application of a file."""

import os
import runpy
import sys
from wsgiref.simple_server import WSGIRequestHandler, make_server


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


application = runpy.run_path(sys.argv[1])["application"]
make_server(os.environ["HOST"], int(os.environ["PORT"]), application, handler_class=Quiet).serve_forever()
