# The dataset, the table events, and who may write and read. The loader makes all other tables and views, adds columns to
# events as schemas need them, and takes over the table that is made here: events.json is what it would make itself.

locals {
  writers = { loader = "serviceAccount:${var.emails["loader"]}", operator = "serviceAccount:${var.emails["operator"]}" }
  readers = merge({ doctor = "serviceAccount:${var.emails["doctor"]}" }, { for member in var.analysts : member => member })
  writer  = "${replace(var.prefix, "-", "_")}warehouse_writer"
}

resource "google_bigquery_dataset" "events" {
  #checkov:skip=CKV_GCP_81:Encrypted with Google's keys; a key of one's own can be lost, and all events with it.
  project                    = var.project_id
  dataset_id                 = var.dataset
  location                   = var.location
  description                = "Events of Snowmelt, failed events, and what it notes about loading"
  delete_contents_on_destroy = false
  storage_billing_model      = "PHYSICAL"
  max_time_travel_hours      = tostring(var.time_travel_hours)
  # Without this block BigQuery would let every viewer of the project read the data.
  access {
    role          = "OWNER"
    special_group = "projectOwners"
  }
  lifecycle {
    ignore_changes = [access]
  }
}

resource "google_bigquery_table" "events" {
  #checkov:skip=CKV_GCP_80:Encrypted with Google's keys; a key of one's own can be lost, and all events with it.
  #checkov:skip=CKV_GCP_121:Set by a variable that only a throw-away environment turns off.
  project             = var.project_id
  dataset_id          = google_bigquery_dataset.events.dataset_id
  table_id            = "events"
  schema              = file("${path.module}/events.json")
  clustering          = ["event_name"]
  deletion_protection = var.deletion_protection
  # Partitions do not expire by themselves: the loader deletes old ones, and notes that it did, or an audit would miss their rows.
  time_partitioning {
    type  = "DAY"
    field = "load_tstamp"
  }
  lifecycle {
    ignore_changes = [schema]
  }
}

resource "google_project_iam_custom_role" "writer" {
  project     = var.project_id
  role_id     = local.writer
  title       = "Snowmelt warehouse writer"
  description = "Make tables and views, add columns, write and read rows; delete no table"
  permissions = [
    "bigquery.datasets.get",
    "bigquery.tables.create",
    "bigquery.tables.get",
    "bigquery.tables.getData",
    "bigquery.tables.update",
    "bigquery.tables.updateData",
  ]
}

resource "google_bigquery_dataset_iam_member" "writer" {
  for_each   = local.writers
  project    = var.project_id
  dataset_id = google_bigquery_dataset.events.dataset_id
  role       = "projects/${var.project_id}/roles/${google_project_iam_custom_role.writer.role_id}"
  member     = each.value
}

resource "google_bigquery_dataset_iam_member" "reader" {
  for_each   = local.readers
  project    = var.project_id
  dataset_id = google_bigquery_dataset.events.dataset_id
  role       = "roles/bigquery.dataViewer"
  member     = each.value
}

# To run a query, in the project's name; it opens no data.
resource "google_project_iam_member" "jobs" {
  for_each = merge(local.writers, local.readers)
  project  = var.project_id
  role     = "roles/bigquery.jobUser"
  member   = each.value
}
