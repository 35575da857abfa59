variable "project_id" {
  type = string
}

variable "region" {
  type = string
}

variable "prefix" {
  type = string
}

variable "emails" {
  description = "E-mail by process."
  type        = map(string)
}

variable "accounts" {
  description = "Name of the account by process."
  type        = map(string)
}

variable "deployer" {
  description = "E-mail of the account that releases; null for none."
  type        = string
}

variable "folder" {
  description = "Folder of schemas, vendor/name/jsonschema/version."
  type        = string
}

variable "public" {
  description = "Whether anybody may read the schemas, as trackers' test tools want to."
  type        = bool
}
