terraform {
  required_version = ">= 1.5"

  required_providers {
    datadog = {
      source  = "DataDog/datadog"
      version = "~> 3.50"
    }
  }
}

# The keys come from DD_API_KEY and DD_APP_KEY, the site from DD_HOST.
provider "datadog" {}
