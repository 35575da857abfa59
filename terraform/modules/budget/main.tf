# Tells when half, nine tenths and all of the month's amount are spent, and when all of it is going to be. It stops nothing.

resource "google_billing_budget" "month" {
  billing_account = var.budget.billing_account
  display_name    = var.name
  budget_filter {
    projects               = ["projects/${var.project_number}"]
    credit_types_treatment = "EXCLUDE_ALL_CREDITS"
  }
  amount {
    specified_amount {
      currency_code = var.budget.currency
      units         = tostring(var.budget.amount)
    }
  }
  dynamic "threshold_rules" {
    for_each = [0.5, 0.9, 1.0]
    content {
      threshold_percent = threshold_rules.value
    }
  }
  threshold_rules {
    threshold_percent = 1.0
    spend_basis       = "FORECASTED_SPEND"
  }
  all_updates_rule {
    monitoring_notification_channels = slice(var.channels, 0, min(5, length(var.channels)))
    disable_default_iam_recipients   = false
  }
}
