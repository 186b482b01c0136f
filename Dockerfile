# docker build -t entrada .
# docker run --read-only --cap-drop ALL -p 4180:4180 -e AZURE_TENANT_ID -e AZURE_CLIENT_ID -e AZURE_CLIENT_SECRET \
#     -e ENTRADA_SERVER_PUBLIC_URL -e ENTRADA_UPSTREAM_URL entrada
#
# It writes nothing, so the root may be read-only. TLS, secrets and a configuration are mounted; the environment alone will do.

FROM rust:1.95-bookworm AS build
# For the profile of real load (benches/pgo.sh); without them the binary is built all the same.
RUN apt-get update \
    && apt-get install -y --no-install-recommends nginx wrk \
    && rm -rf /var/lib/apt/lists/* \
    && rustup component add llvm-tools
WORKDIR /build
COPY . .
RUN make release

# glibc, the certificates of public authorities, a user; no shell.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /build/target/dist/entrada /usr/local/bin/entrada
ENV ENTRADA_SERVER_LISTEN=0.0.0.0:4180
EXPOSE 4180
USER 65532:65532
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["/usr/local/bin/entrada", "health"]
ENTRYPOINT ["/usr/local/bin/entrada"]
CMD ["run"]
