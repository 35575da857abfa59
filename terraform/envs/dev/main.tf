module "snowmelt" {
  source              = "../../modules/stack"
  project_id          = var.project_id
  region              = var.region
  domain              = var.domain
  image               = var.image
  metrics_image       = var.metrics_image
  schemas             = "${path.root}/../../../schemas"
  compact             = true
  deletion_protection = false
}
