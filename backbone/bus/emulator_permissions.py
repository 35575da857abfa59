"""Google's interface for asking what one may do, which Pub/Sub's topics and subscriptions have in common with everything else."""

from typing import Any

import grpc
from google.iam.v1 import iam_policy_pb2

Denied = set[tuple[str, str]]
"""(topic or subscription, permission)."""


def serve(server: grpc.Server, denied: Denied) -> None:
    """Everything is allowed but what is in the set when it is asked for."""

    def test(request: Any, _: Any) -> Any:
        allowed = [each for each in request.permissions if (request.resource, each) not in denied]
        return iam_policy_pb2.TestIamPermissionsResponse(permissions=allowed)

    handler = grpc.unary_unary_rpc_method_handler(
        test,
        iam_policy_pb2.TestIamPermissionsRequest.FromString,
        iam_policy_pb2.TestIamPermissionsResponse.SerializeToString,
    )
    methods = {"TestIamPermissions": handler}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("google.iam.v1.IAMPolicy", methods),))
