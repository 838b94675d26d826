# The image: one static binary, the certificates of public authorities, and two lines of passwd.
# There is no shell, no libc and no package manager in it, and nothing that root is needed for.
#
#   docker build -t registry.example.com/tokenhouse .
#
# compiles it in here. Where that is done elsewhere already, or images can't be pulled,
#
#   cargo xtask image --release
#
# compiles on the machine, puts what belongs into the image into dist/rootfs, and builds the stage
# `prebuilt`, which only copies it. Both ways end in the same image but for the binary's build paths.

# What the two ways share.
FROM scratch AS base
COPY packaging/etc/ /etc/
# The linter takes "TOKEN" in the name of an address for a secret.
# hadolint ignore=DL3064
ENV TOKENHOUSE_LISTEN=0.0.0.0:8080 \
    TOKENHOUSE_MANAGEMENT_LISTEN=0.0.0.0:9090
USER 10001:10001
EXPOSE 8080 9090
STOPSIGNAL SIGTERM
# Kubernetes has probes of its own; this is for `docker run` and Compose.
HEALTHCHECK --interval=10s --timeout=6s --start-period=10s --retries=3 \
    CMD ["/usr/bin/tokenhouse", "healthcheck"]
ENTRYPOINT ["/usr/bin/tokenhouse"]
CMD ["serve"]
ARG VERSION=0.0.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="tokenhouse" \
      org.opencontainers.image.description="A multi-tenant token server: OAuth 2 and OpenID Connect" \
      org.opencontainers.image.source="https://github.com/tokenhouse/tokenhouse" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

FROM base AS prebuilt
COPY dist/rootfs/ /

FROM docker.io/library/rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
# A static binary of glibc. With a target named, the flags leave build scripts and macros alone.
ENV RUSTFLAGS="-C target-feature=+crt-static"
RUN target=$(rustc --print host-tuple) \
    && cargo build --locked --release --package tokenhouse-server --bin tokenhouse --target "$target" \
    && install -D -m 0755 "target/$target/release/tokenhouse" /rootfs/usr/bin/tokenhouse \
    && install -D -m 0644 /etc/ssl/certs/ca-certificates.crt /rootfs/etc/ssl/certs/ca-certificates.crt

FROM base
COPY --from=build /rootfs/ /
