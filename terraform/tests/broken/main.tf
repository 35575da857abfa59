# Deliberately broken: each line marked (n) is one fault that the checker must report.
variable "project_id" { type = string }

resource "google_pubsub_topik" "typo" { # (1) unknown resource type
  name = "x"
}

resource "google_pubsub_topic" "raw" { # (2) required name is missing
  project = var.project_id
}

resource "google_pubsub_subscription" "s" {
  name              = "s"
  topic             = google_pubsub_topic.raw.idd # (3) no such attribute
  ack_deadline_secs = 60                          # (4) unknown argument
  expiration_policy = { ttl = "" }                # (5) a block, not an argument
  retry_policy {
    minimum_backof = "10s" # (6) unknown argument in a nested block
  }
  retry_policy { # (7) a second block where at most one is allowed
    maximum_backoff = "600s"
  }
  labels {} # (8) an argument, not a block
}

resource "google_cloud_run_v2_service" "c" { # (9) required block template is missing
  name                = "c"
  location            = "europe-west1"
  uri                 = "https://x"               # (10) computed only
  deletion_protection = ["no"]                    # (11) wrong type
  project             = var.projectid             # (12) undeclared variable
  depends_on          = [google_pubsub_topic.bad] # (13) undeclared resource
  ingress             = "EVERYONE"                # (18) not in the enum
}

resource "google_storage_bucket" "b" {
  name     = local.bucket # (14) undeclared local
  location = "EU"
  dynamic "lifecycle_rules" { # (15) unknown block type in a dynamic block
    for_each = [1]
    content {}
  }
  lifecycle_rule { # (16) required block condition is missing
    action {
      type = "Delete"
    }
  }
}

data "google_projekt" "p" {} # (17) unknown data source type

module "m" { # (19) the variable needed is missing
  source  = "./called"
  unasked = 1 # (20) no such variable
}

module "n" {
  source = "./nowhere" # (21) no such folder
}
