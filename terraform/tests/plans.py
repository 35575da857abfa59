"""Plans of all roots, each made once for a process of tests."""

from collections.abc import Mapping
from typing import Any

import pytest
from offline import Plan, Terraform

DIGEST = f"sha256:{'0123456789abcdef' * 4}"
ENVIRONMENTS = ("dev", "staging", "prod")
REGIONS = ("europe-west1", "us-central1")
PEOPLE = {
    "alert_emails": ["alerts@acme.com"],
    "analysts": ["group:analysts@acme.com"],
    "operators": ["group:operators@acme.com"],
}
EVERYTHING = {
    **PEOPLE,
    "domain": "collect.acme.com",
    "metrics_image": f"us-docker.pkg.dev/somebody/sidecar@{DIGEST}",
    "deployer": "snowmelt-deployer@acme-events-prod.iam.gserviceaccount.com",
    "budget": {"billing_account": "AAAAAA-BBBBBB-CCCCCC", "amount": 500},
    "runbooks": "https://example.com/docs/runbooks",
}


def given(environment: str, region: str, more: Mapping[str, Any]) -> dict[str, Any]:
    """The variables of a first deployment, and more."""
    project = f"acme-events-{environment}"
    image = f"{region}-docker.pkg.dev/{project}/snowmelt/snowmelt@{DIGEST}"
    return {"project_id": project, "region": region, "image": image, **more}


class Plans:
    def __init__(self, terraform: Terraform) -> None:
        self._terraform = terraform
        self._made: dict[str, Plan | str] = {}

    def attempted(self, environment: str, region: str = REGIONS[0], **more: Any) -> Plan | str:
        """The plan, or why it is refused."""
        return self._plan(f"envs/{environment}", given(environment, region, more))

    def of(self, environment: str, region: str = REGIONS[0], **more: Any) -> Plan:
        made = self.attempted(environment, region, **more)
        assert isinstance(made, Plan), made
        return made

    def bootstrap(self, **more: Any) -> Plan:
        made = self._plan("bootstrap", {"project_id": "acme-events-prod", "region": REGIONS[0], **more})
        assert isinstance(made, Plan), made
        return made

    def stack(self, **more: Any) -> Plan | str:
        """The module by itself, with whatever the roots leave as it is, and no schemas."""
        return self._plan("modules/stack", {**given("prod", REGIONS[0], {}), "schemas": "tests", **more})

    def _plan(self, folder: str, variables: dict[str, Any]) -> Plan | str:
        key = f"{folder} {sorted(variables.items())}"
        if key not in self._made:
            self._made[key] = self._terraform.plan(self._terraform.copied() / folder, variables)
        return self._made[key]


@pytest.fixture(scope="session")
def plans(terraform: Terraform) -> Plans:
    return Plans(terraform)
