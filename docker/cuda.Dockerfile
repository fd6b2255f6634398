# ptrain with the CUDA plugin. docker build -f docker/cuda.Dockerfile -t ptrain . ; docker run --gpus all -v DATA:/data ptrain /data/my.yaml
# Name another CUDA version by --build-arg CUDA=12.8.1 (12 or 13; devel images hold nvcc, cuBLASLt and NCCL).
ARG CUDA=13.0.1
FROM nvidia/cuda:${CUDA}-devel-ubuntu24.04
WORKDIR /src
COPY . .
RUN sh docker/install-deps.sh && make ptrain && make cuda && make install
ENTRYPOINT ["ptrain"]
