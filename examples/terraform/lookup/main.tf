# Another configuration finds what `..` has made, by its names.

terraform {
  required_providers {
    aws = {
      source = "hashicorp/aws"
    }
  }
}

variable "endpoint" {
  description = "Where Fingerpost serves the AWS API"
  default     = "http://127.0.0.1:8300"
}

provider "aws" {
  region     = "us-east-1"
  access_key = "any"
  secret_key = "any"

  skip_credentials_validation = true
  skip_requesting_account_id  = true
  skip_metadata_api_check     = true

  endpoints {
    servicediscovery = var.endpoint
  }
}

data "aws_service_discovery_dns_namespace" "production" {
  name = "production.local"
  type = "DNS_PRIVATE"
}

data "aws_service_discovery_http_namespace" "apis" {
  name = "apis"
}

data "aws_service_discovery_service" "api" {
  name         = "api"
  namespace_id = data.aws_service_discovery_dns_namespace.production.id
}

output "found" {
  value = {
    namespace   = data.aws_service_discovery_dns_namespace.production.id
    hosted_zone = data.aws_service_discovery_dns_namespace.production.hosted_zone
    team        = data.aws_service_discovery_dns_namespace.production.tags["team"]
    http_name   = data.aws_service_discovery_http_namespace.apis.http_name
    service     = data.aws_service_discovery_service.api.id
    ttl         = data.aws_service_discovery_service.api.dns_config[0].dns_records[0].ttl
    policy      = data.aws_service_discovery_service.api.dns_config[0].routing_policy
  }
}
