output "snowmelt" {
  description = "Addresses and names of everything."
  value       = module.snowmelt
}
