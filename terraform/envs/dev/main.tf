# One worker for enricher and loader, nothing protected: to try things and throw them away.
module "snowmelt" {
  source              = "../../modules/stack"
  project_id          = var.project_id
  region              = var.region
  domain              = var.domain
  image               = var.image
  metrics_image       = var.metrics_image
  schemas             = "${path.root}/../../../schemas"
  compact             = true
  collector           = { min = 0, max = 2 }
  event_days          = 30
  alerts              = { emails = var.alert_emails, slack_channel = var.alert_slack_channel, quiet = true }
  runbooks            = var.runbooks
  analysts            = var.analysts
  operators           = var.operators
  deployer            = var.deployer
  budget              = var.budget
  release             = var.release
  deletion_protection = false
}
