# ptrain on CPUs.
#   docker build -f docker/cpu.Dockerfile -t ptrain .
#   docker run --rm -u "$(id -u):$(id -g)" -v "$PWD:/work" ptrain my.yaml            # paths in my.yaml are relative to the folder mounted at /work
#   docker run --rm -it -u "$(id -u):$(id -g)" -v "$PWD:/work" ptrain chat out/my
# BASE may be any Debian 12 (its digest is yours to pin: --build-arg BASE=debian:bookworm-slim@sha256:...) or Ubuntu 22.04 and later. With the
# same base, sources and SOURCE_DATE_EPOCH two builds hold the same bytes (docker buildx: --output type=docker,rewrite-timestamp=true).
ARG BASE=debian:bookworm-slim
FROM ${BASE} AS build
ARG SOURCE_DATE_EPOCH=0
WORKDIR /src
COPY . .
RUN sh docker/image.sh build

FROM ${BASE} AS run
ARG SOURCE_DATE_EPOCH=0
ARG REVISION=unknown
COPY --from=build /out/ /
COPY docker/image.sh docker/packages.lock /usr/local/share/ptrain/
RUN sh /usr/local/share/ptrain/image.sh run && useradd --uid 1000 --user-group --create-home ptrain && rm -f /etc/*- && mkdir /work && chown ptrain:ptrain /work
LABEL org.opencontainers.image.title="ptrain" \
      org.opencontainers.image.description="Fine-tunes language models on role-play, persona and preference data (CPU)" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="${REVISION}"
USER ptrain
WORKDIR /work
HEALTHCHECK --interval=5m --timeout=1m CMD ["ptrain", "doctor"]
ENTRYPOINT ["ptrain"]
CMD ["help"]
