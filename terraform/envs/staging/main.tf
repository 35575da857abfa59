# As prod, smaller: what is released here first is the same digest.
module "snowmelt" {
  source        = "../../modules/stack"
  project_id    = var.project_id
  region        = var.region
  domain        = var.domain
  image         = var.image
  metrics_image = var.metrics_image
  schemas       = "${path.root}/../../../schemas"
  collector     = { min = 1, max = 5 }
  workers       = { enrich = { min = 1, max = 3 } }
  event_days    = 30
  alerts        = { emails = var.alert_emails, slack_channel = var.alert_slack_channel, quiet = true }
  runbooks      = var.runbooks
  analysts      = var.analysts
  operators     = var.operators
  deployer      = var.deployer
  budget        = var.budget
  release       = var.release
}
