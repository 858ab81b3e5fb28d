# The image of the operator: one static program and the certificate authorities it trusts, and nothing else.
#
#   docker build --tag keywright .                        # for this machine
#   docker buildx build --platform linux/amd64,linux/arm64 ...
#
# `make image` builds the last stage, from `FROM scratch` on, with files that .ci/image-files made on this machine.

# A platform that is not this machine's is emulated by buildx. Releases are built on machines of either kind.
FROM docker.io/library/rust:1.95-slim-bookworm AS files
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates musl-tools \
 && rustup target add "$(uname -m)-unknown-linux-musl"
WORKDIR /source
COPY . .
RUN .ci/image-files /files

FROM scratch
LABEL org.opencontainers.image.title="Keywright" \
      org.opencontainers.image.description="A Kubernetes operator for machine credentials" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=files /files/ /
# By number, so that Kubernetes can tell that it is not root. Nothing in the image belongs to it.
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/keywright"]
CMD ["run"]
