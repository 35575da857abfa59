output "environment" {
  description = "Settings of the services that concern the warehouse."
  value = merge(
    {
      SNOWMELT_WAREHOUSE_KIND     = "bigquery"
      SNOWMELT_WAREHOUSE_PROJECT  = var.project_id
      SNOWMELT_WAREHOUSE_DATASET  = google_bigquery_dataset.events.dataset_id
      SNOWMELT_WAREHOUSE_LOCATION = var.location
    },
    var.event_days == null ? {} : { SNOWMELT_WAREHOUSE_EVENT_DAYS = tostring(var.event_days) },
  )
}

output "events" {
  description = "The table of events, for queries."
  value       = "${var.project_id}.${google_bigquery_dataset.events.dataset_id}.${google_bigquery_table.events.table_id}"
}
