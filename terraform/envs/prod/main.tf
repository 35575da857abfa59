# Protected, never without an instance, and not without somebody who hears of an alert.
module "snowmelt" {
  source        = "../../modules/stack"
  project_id    = var.project_id
  region        = var.region
  domain        = var.domain
  image         = var.image
  metrics_image = var.metrics_image
  schemas       = "${path.root}/../../../schemas"
  collector     = { min = 2, max = 20 }
  workers       = { enrich = { min = 1, max = 10 } }
  alerts        = { emails = var.alert_emails, slack_channel = var.alert_slack_channel, required = true }
  runbooks      = var.runbooks
  analysts      = var.analysts
  operators     = var.operators
  deployer      = var.deployer
  budget        = var.budget
  release       = var.release
}
