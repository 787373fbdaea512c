"""What every Python client of Campanile needs: the compiled interface, a channel with the token, and the
reason of a refusal. Compiles proto/ with the stock grpcio-tools when it is imported first."""

import atexit
import importlib
import os
import pathlib
import shutil
import sys
import tempfile

import grpc
from grpc_status import rpc_status
from grpc_tools import protoc
from google.rpc import error_details_pb2

PROTO = pathlib.Path(__file__).resolve().parents[2] / "proto"


def compile_interface():
    out = tempfile.mkdtemp(prefix="campanile-py-")
    atexit.register(shutil.rmtree, out, ignore_errors=True)
    files = sorted(str(path) for path in PROTO.rglob("*.proto"))
    include = str(pathlib.Path(importlib.import_module("grpc_tools").__file__).parent / "_proto")
    status = protoc.main(["protoc", f"-I{PROTO}", f"-I{include}", f"--python_out={out}", f"--grpc_python_out={out}", *files])
    if status:
        raise SystemExit("protoc failed")
    sys.path.insert(0, out)


compile_interface()

from campanile.v1 import (  # noqa: E402,F401
    audience_pb2,
    content_pb2,
    inbox_service_pb2,
    inbox_service_pb2_grpc,
    message_pb2,
    publish_service_pb2,
    publish_service_pb2_grpc,
)


def connect(url=None):
    url = url or os.environ.get("CAMPANILE_URL", "http://127.0.0.1:7700")
    return grpc.insecure_channel(url.removeprefix("http://"))


def token(value=None):
    return (("authorization", f"Bearer {value or os.environ['CAMPANILE_TOKEN']}"),)


def refusal(error):
    """(reason, field, message, metadata) of a refused call."""
    status = rpc_status.from_call(error)
    reason, field, metadata = "", "", {}
    for detail in status.details if status else []:
        info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        if detail.Unpack(info):
            reason, metadata = info.reason, dict(info.metadata)
        elif detail.Unpack(bad) and bad.field_violations:
            field = bad.field_violations[0].field
    return reason, field, error.details(), metadata
