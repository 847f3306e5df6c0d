# Service discovery for a few services, with the AWS provider as it is: only its endpoint is ours.
#
#   fingerpost serve &
#   terraform -chdir=examples/terraform init
#   terraform -chdir=examples/terraform apply
#   dig @127.0.0.1 -p 5300 grpc.production.local SRV

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

variable "ttl" {
  description = "How long clients may remember the addresses of a service, in seconds"
  default     = 10
}

variable "description" {
  description = "What the namespace is for"
  default     = "Services of production"
}

provider "aws" {
  region     = "us-east-1"
  access_key = "any"
  secret_key = "any"

  # There is no STS and no EC2 here to ask.
  skip_credentials_validation = true
  skip_requesting_account_id  = true
  skip_metadata_api_check     = true

  endpoints {
    servicediscovery = var.endpoint
  }
}

resource "aws_service_discovery_private_dns_namespace" "production" {
  name        = "production.local"
  description = var.description
  vpc         = "vpc-0abc123def456789"

  tags = {
    team = "platform"
  }
}

# ECS registers the tasks of such a service, and says which are healthy.
resource "aws_service_discovery_service" "api" {
  name        = "api"
  description = "HTTP API"

  dns_config {
    namespace_id   = aws_service_discovery_private_dns_namespace.production.id
    routing_policy = "MULTIVALUE"

    dns_records {
      type = "A"
      ttl  = var.ttl
    }
  }

  health_check_custom_config {
    failure_threshold = 1
  }

  tags = {
    team = "web"
  }
}

# Clients of this one learn the port, too.
resource "aws_service_discovery_service" "grpc" {
  name = "grpc"

  dns_config {
    namespace_id = aws_service_discovery_private_dns_namespace.production.id

    dns_records {
      type = "SRV"
      ttl  = var.ttl
    }

    dns_records {
      type = "A"
      ttl  = var.ttl
    }
  }
}

# Something that no scheduler registers.
resource "aws_service_discovery_instance" "grpc" {
  service_id  = aws_service_discovery_service.grpc.id
  instance_id = "grpc-1"

  attributes = {
    AWS_INSTANCE_IPV4 = "10.0.2.21"
    AWS_INSTANCE_PORT = "50051"
    version           = "v1"
  }
}

# Not every service has an address: this namespace is for `DiscoverInstances` alone.
resource "aws_service_discovery_http_namespace" "apis" {
  name        = "apis"
  description = "Found through the API"
}

resource "aws_service_discovery_service" "queue" {
  name         = "queue"
  namespace_id = aws_service_discovery_http_namespace.apis.id
}

resource "aws_service_discovery_instance" "queue" {
  service_id  = aws_service_discovery_service.queue.id
  instance_id = "orders"

  attributes = {
    url = "https://queue.example.org/orders?priority=1"
  }
}

output "ids" {
  value = {
    private_dns_namespace = aws_service_discovery_private_dns_namespace.production.id
    http_namespace        = aws_service_discovery_http_namespace.apis.id
    api                   = aws_service_discovery_service.api.id
    grpc                  = aws_service_discovery_service.grpc.id
    queue                 = aws_service_discovery_service.queue.id
  }
}
