# Topics and subscriptions under the names that backbone/bus/pubsub_topics.py expects, and who may use them.
# A topic without subscription keeps nothing, so each has one.

locals {
  topics = toset(["raw", "enriched", "failed", "bad", "dead-letter"])
  subscriptions = {
    raw-enricher    = { topic = "raw", reader = "enricher" }
    enriched-loader = { topic = "enriched", reader = "loader" }
    failed-loader   = { topic = "failed", reader = "loader" }
    bad-loader      = { topic = "bad", reader = "loader" }
  }
  publishers = {
    collector = ["raw", "bad"]
    enricher  = ["enriched", "failed", "bad"]
    operator  = ["raw", "enriched", "bad"]
  }
  grants = merge([for process, topics in local.publishers : { for topic in topics : "${process}/${topic}" => { process = process, topic = topic } }]...)
}

resource "google_pubsub_topic" "topic" {
  #checkov:skip=CKV_GCP_83:Encrypted with Google's keys; a key of one's own can be lost, and what waits in Pub/Sub with it.
  for_each                   = local.topics
  project                    = var.project_id
  name                       = "${var.prefix}${each.key}"
  message_retention_duration = lookup(var.retention, each.key, null)
  message_storage_policy {
    allowed_persistence_regions = [var.region]
  }
}

resource "google_pubsub_subscription" "reader" {
  for_each = local.subscriptions
  project  = var.project_id
  name     = "${var.prefix}${each.key}"
  topic    = google_pubsub_topic.topic[each.value.topic].id
  # The services extend leases themselves; what a killed one held comes again after this.
  ack_deadline_seconds       = 10
  message_retention_duration = "604800s"
  expiration_policy {
    ttl = ""
  }
  retry_policy {
    minimum_backoff = "1s"
    maximum_backoff = "60s"
  }
  # The most there is: what a service hands back when it stops counts as an attempt too.
  dead_letter_policy {
    dead_letter_topic     = "projects/${var.project_id}/topics/${google_pubsub_topic.topic["dead-letter"].name}"
    max_delivery_attempts = 100
  }
}

# Holds what could not be delivered, as long as Pub/Sub keeps anything.
resource "google_pubsub_subscription" "keeper" {
  project                    = var.project_id
  name                       = "${var.prefix}dead-letter-keeper"
  topic                      = google_pubsub_topic.topic["dead-letter"].id
  ack_deadline_seconds       = 60
  message_retention_duration = "2678400s"
  expiration_policy {
    ttl = ""
  }
}

resource "google_pubsub_topic_iam_member" "publisher" {
  for_each = local.grants
  project  = var.project_id
  topic    = google_pubsub_topic.topic[each.value.topic].name
  role     = "roles/pubsub.publisher"
  member   = "serviceAccount:${var.emails[each.value.process]}"
}

resource "google_pubsub_subscription_iam_member" "reader" {
  for_each     = local.subscriptions
  project      = var.project_id
  subscription = google_pubsub_subscription.reader[each.key].name
  role         = "roles/pubsub.subscriber"
  member       = "serviceAccount:${var.emails[each.value.reader]}"
}

resource "google_pubsub_subscription_iam_member" "keeper" {
  project      = var.project_id
  subscription = google_pubsub_subscription.keeper.name
  role         = "roles/pubsub.subscriber"
  member       = "serviceAccount:${var.emails["operator"]}"
}

# Without these two Pub/Sub moves no dead letter, and says nothing.
resource "google_pubsub_topic_iam_member" "agent" {
  project = var.project_id
  topic   = google_pubsub_topic.topic["dead-letter"].name
  role    = "roles/pubsub.publisher"
  member  = var.pubsub_agent
}

resource "google_pubsub_subscription_iam_member" "agent" {
  for_each     = local.subscriptions
  project      = var.project_id
  subscription = google_pubsub_subscription.reader[each.key].name
  role         = "roles/pubsub.subscriber"
  member       = var.pubsub_agent
}
