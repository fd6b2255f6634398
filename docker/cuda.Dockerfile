# ptrain with the CUDA plugin. docker build -f docker/cuda.Dockerfile -t ptrain . ; docker run --gpus all -v DATA:/data ptrain /data/my.yaml
# Another CUDA: --build-arg CUDA=12.8.1 (12 or 13; devel images hold nvcc, cuBLASLt and NCCL). Images before 12.6 are made on 22.04:
# --build-arg CUDA=12.4.1 --build-arg UBUNTU=22.04. Never built by its authors, who have no container engine: checked by hand.
ARG CUDA=13.0.1
ARG UBUNTU=24.04
FROM nvidia/cuda:${CUDA}-devel-ubuntu${UBUNTU}
WORKDIR /src
COPY . .
RUN sh docker/install-deps.sh && make ptrain && make cuda && make install
ENTRYPOINT ["ptrain"]
