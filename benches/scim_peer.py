"""PyPI scim2-server with users of ours: fills its storage in memory, and serves it as its own command does.

Its command keeps no data between starts and takes none, and to POST 100 000 users would take most of an hour.
"""

import json
import sys
from wsgiref.simple_server import WSGIRequestHandler, make_server

from scim2_models import Email, EnterpriseUser, Pagination, ScimProvider, User
from scim2_server.memory import InMemoryStorage
from scim2_server.service import ScimService
from scim2_server.testserver.application import BearerTokenApplication
from scim2_server.testserver.cli import ThreadingWSGIServer
from scim2_server.utils import load_default_resource_types, load_default_schemas, load_default_service_provider_config

port, file = int(sys.argv[1]), sys.argv[2]
config = load_default_service_provider_config()
config.pagination = Pagination(cursor=True, index=True, default_pagination_method="index", default_page_size=100, max_page_size=1000)
provider = ScimProvider.from_discovery(load_default_schemas().values(), load_default_resource_types().values(), config=config)
storage = InMemoryStorage()
users = next(held for held in load_default_resource_types().values() if held.name == "User")
for line in open(file):
    body = json.loads(line)
    body["emails"] = [Email(**email) for email in body["emails"]]
    storage.create(users, User[EnterpriseUser](user_name=body["userName"], external_id=body["externalId"], display_name=body["displayName"],
                                               title=body["title"], active=True, emails=body["emails"]))


class Silent(WSGIRequestHandler):
    def log_message(self, *arguments):
        pass


application = BearerTokenApplication(storage, provider, service=ScimService(provider, secret="a secret for a measurement"), bearer_tokens=["peer"])
with make_server("127.0.0.1", port, application, server_class=ThreadingWSGIServer, handler_class=Silent) as server:
    print("ready", flush=True)
    server.serve_forever()
