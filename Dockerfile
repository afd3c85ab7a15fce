# The suite with all that it needs, fairseq included; for CPUs and CUDA GPUs alike.
#
#   make docker-build              docker build --tag radam .
#   make docker-reproduce-cifar    the CIFAR-10 study with data, runs and reports mounted
#
# Smaller, for CPUs alone: docker build --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cpu .
ARG BASE=python:3.11.13-slim-bookworm

FROM ${BASE} AS packages
# A compiler, for fairseq. Its version is the pinned base image's business (DL3008).
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ python3-dev \
    && rm -rf /var/lib/apt/lists/*
RUN python3 -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
COPY pyproject.toml .
# Each is a layer of its own (DL3059): what changes seldom and weighs much comes first.
ARG TORCH_INDEX=
RUN python -c "import tomllib; p = tomllib.load(open('pyproject.toml', 'rb'))['project']; \
print('\n'.join(p['dependencies'] + p['optional-dependencies']['experiments']))" > packages.txt \
    && grep -E '^torch' packages.txt > torch.txt \
    && pip install ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} --requirement torch.txt
# hadolint ignore=DL3059
RUN pip install --requirement packages.txt
# Its metadata asks for a Hydra that nothing else works with, hence a step without dependencies.
# hadolint ignore=DL3059
RUN pip install --no-deps fairseq==0.12.2

FROM ${BASE}
COPY --from=packages /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 RADAM_DATA=/radam/data
RUN useradd --create-home --uid 1000 radam \
    && install --directory --owner=radam /radam /radam/data /radam/runs /radam/reports
WORKDIR /radam
COPY --chown=radam . .
# Results say which commit they come from; there is no git in here.
ARG COMMIT=unknown
RUN echo "${COMMIT}" > COMMIT
USER 1000
CMD ["python", "-m", "experiments.sweep", "--help"]
