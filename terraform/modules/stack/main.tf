# All of Snowmelt in one project and region: in the order of an event's way.

locals {
  deployer = var.deployer
  emails   = module.foundation.emails
  location = coalesce(var.bq_location, var.region)
  common   = merge(module.bus.environment, var.settings)
  registry = { SNOWMELT_IGLU_SCHEMAS = jsonencode([local.mounts.schemas]) }
  mounts   = { schemas = "/registry", assets = "/assets" }
  # The sidecar looks for metrics on 8080, where the image would answer for its health.
  metrics = var.metrics_image == null ? {} : { SNOWMELT_LOADER_METRICS_PORT = "8080", SNOWMELT_SERVICE_HEALTH_PORT = "8081" }
  enriching = {
    environment = merge(local.common, local.registry, { SNOWMELT_ENRICHER_ASSETS = local.mounts.assets })
    buckets     = { (local.mounts.schemas) = module.registry.schemas, (local.mounts.assets) = module.registry.assets }
    secrets     = var.pii_salt ? { PII_SALT = module.foundation.salt } : {}
  }
  loading = {
    environment = merge(local.common, local.registry, module.warehouse.environment, local.metrics)
    buckets     = { (local.mounts.schemas) = module.registry.schemas }
    secrets     = {}
  }
  apart = {
    enrich = merge(local.enriching, { account = "enricher", single = false, metrics = false })
    load   = merge(local.loading, { account = "loader", single = true, metrics = true })
  }
  together = {
    work = {
      environment = merge(local.enriching.environment, local.loading.environment)
      buckets     = local.enriching.buckets
      secrets     = local.enriching.secrets
      account     = "loader"
      single      = true
      metrics     = true
    }
  }
  workers = { for command in var.compact ? ["work"] : ["enrich", "load"] : command => merge(local.apart, local.together)[command] }
}

module "foundation" {
  source     = "../foundation"
  project_id = var.project_id
  region     = var.region
  prefix     = var.prefix
  compact    = var.compact
  operators  = var.operators
  deployer   = local.deployer
}

module "bus" {
  source       = "../bus"
  project_id   = module.foundation.project_id
  region       = var.region
  prefix       = var.prefix
  emails       = local.emails
  pubsub_agent = module.foundation.pubsub_agent
  retention    = var.retention
}

module "registry" {
  source     = "../registry"
  project_id = module.foundation.project_id
  region     = var.region
  prefix     = var.prefix
  emails     = local.emails
  accounts   = module.foundation.accounts
  deployer   = local.deployer
  folder     = var.schemas
  public     = var.schemas_public
}

module "warehouse" {
  source              = "../warehouse"
  project_id          = module.foundation.project_id
  dataset             = var.dataset
  location            = local.location
  prefix              = var.prefix
  emails              = local.emails
  analysts            = var.analysts
  event_days          = var.event_days
  time_travel_hours   = var.time_travel_hours
  deletion_protection = var.deletion_protection
}

module "collector" {
  source              = "../collector"
  project_id          = module.foundation.project_id
  region              = var.region
  name                = "${var.prefix}collector"
  image               = var.image
  account             = local.emails["collector"]
  environment         = local.common
  size                = var.collector
  release             = lookup(var.release, "collect", null)
  behind_balancer     = var.domain != null
  public              = var.collector_public
  deployer            = local.deployer
  deletion_protection = var.deletion_protection
  depends_on          = [module.bus]
}

module "worker" {
  source              = "../worker"
  for_each            = local.workers
  project_id          = module.foundation.project_id
  region              = var.region
  name                = "${var.prefix}${each.key}"
  image               = var.image
  metrics_image       = each.value.metrics ? var.metrics_image : null
  account             = local.emails[each.value.account]
  command             = each.key
  environment         = each.value.environment
  secrets             = each.value.secrets
  buckets             = each.value.buckets
  size                = var.workers[each.key]
  single              = each.value.single
  release             = lookup(var.release, each.key, null)
  deployer            = local.deployer
  launch_stage        = var.launch_stage
  deletion_protection = var.deletion_protection
  depends_on          = [module.foundation, module.bus, module.registry, module.warehouse, google_project_iam_member.metrics]
}

# The sidecar beside the loader writes its metrics.
resource "google_project_iam_member" "metrics" {
  for_each = var.metrics_image == null ? toset([]) : toset(["loader"])
  project  = module.foundation.project_id
  role     = "roles/monitoring.metricWriter"
  member   = "serviceAccount:${local.emails[each.key]}"
}

module "edge" {
  source                = "../edge"
  for_each              = var.domain == null ? {} : { domain = var.domain }
  project_id            = module.foundation.project_id
  region                = var.region
  prefix                = var.prefix
  domain                = each.value
  service               = module.collector.name
  rate_limit_per_minute = var.rate_limit_per_minute
}

locals {
  address = var.domain == null ? module.collector.address : "https://${var.domain}"
}

module "canary" {
  source      = "../canary"
  for_each    = var.canary ? toset(["doctor"]) : toset([])
  project_id  = module.foundation.project_id
  region      = var.region
  prefix      = var.prefix
  image       = var.image
  emails      = local.emails
  environment = merge(local.common, module.warehouse.environment)
  collector   = local.address
  schedule    = "*/5 * * * *"
  deployer    = local.deployer
}

module "observability" {
  source        = "../observability"
  project_id    = module.foundation.project_id
  prefix        = var.prefix
  collector     = module.collector.name
  host          = trimprefix(local.address, "https://")
  certificate   = var.domain != null
  subscriptions = values(module.bus.subscriptions)
  keeper        = module.bus.keeper
  canary        = one([for canary in module.canary : canary.job])
  metrics       = var.metrics_image != null
  alerts        = var.alerts
  runbooks      = var.runbooks
}

module "budget" {
  source         = "../budget"
  for_each       = var.budget == null ? {} : { month = var.budget }
  project_number = module.foundation.project_number
  name           = "${var.prefix}month"
  budget         = each.value
  channels       = module.observability.emails
}
