# ptrain with the CUDA plugin.
#   docker build -f docker/cuda.Dockerfile -t ptrain-cuda .
#   docker run --rm --gpus all --shm-size=1g -u "$(id -u):$(id -g)" -v "$PWD:/work" ptrain-cuda my.yaml
# Another CUDA: --build-arg CUDA=12.8.1 (12 or 13). Images before 12.6 are made on 22.04: --build-arg CUDA=12.4.1 --build-arg UBUNTU=22.04.
# The stage `program` needs nothing of NVIDIA's and is built by make image-check; the rest was checked by reading only, since NVIDIA's base
# images cannot be fetched where ptrain is developed.
ARG CUDA=13.0.1
ARG UBUNTU=24.04
ARG BASE=ubuntu:${UBUNTU}
FROM ${BASE} AS program
ARG SOURCE_DATE_EPOCH=0
WORKDIR /src
COPY . .
RUN sh docker/image.sh build

# devel: nvcc and the headers of cuBLASLt and NCCL. The plugin is opened by the program at run time, so the two are built apart.
FROM nvidia/cuda:${CUDA}-devel-ubuntu${UBUNTU} AS plugin
WORKDIR /src
COPY . .
RUN sh docker/install-deps.sh && make cuda && strip build/libptrain-cuda.so

# runtime: libcudart, libcublasLt and libnccl, no compiler.
FROM nvidia/cuda:${CUDA}-runtime-ubuntu${UBUNTU} AS run
ARG SOURCE_DATE_EPOCH=0
ARG REVISION=unknown
COPY --from=program /out/ /
COPY --from=plugin /src/build/libptrain-cuda.so /usr/local/bin/
COPY docker/image.sh docker/packages.lock /usr/local/share/ptrain/
RUN sh /usr/local/share/ptrain/image.sh run && mkdir /work && chown 1000:1000 /work
LABEL org.opencontainers.image.title="ptrain-cuda" \
      org.opencontainers.image.description="Fine-tunes language models on role-play, persona and preference data (CUDA)" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="${REVISION}"
USER 1000:1000
WORKDIR /work
HEALTHCHECK --interval=5m --timeout=1m CMD ["ptrain", "doctor"]
ENTRYPOINT ["ptrain"]
CMD ["help"]
