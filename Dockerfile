# The worker, the libraries that it is linked to, and the certificates that it trusts; nothing else, not even a shell.
#
#   docker build -t telestore-worker .
#   docker run --env-file .env -v telestore:/data -p 10000:10000 telestore-worker    # stand-alone: deploy/stand-alone.env
#   docker run -e BACKEND_URL=https://your-telestore-backend.example -v telestore:/data -p 10000:10000 telestore-worker
FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked -p telestore-worker --no-default-features
RUN deploy/rootfs.sh target/release/telestore-worker /rootfs

FROM scratch
COPY --from=build /rootfs /
COPY --from=build --chown=65532:65532 /rootfs/data /data
ENV TELESTORE_DATA_DIR=/data
USER 65532:65532
VOLUME /data
EXPOSE 10000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=15s --retries=3 CMD ["/usr/local/bin/telestore-worker", "health"]
ENTRYPOINT ["/usr/local/bin/telestore-worker"]
