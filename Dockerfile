# The suite with all that it needs, fairseq included; for CPUs and CUDA GPUs alike.
#
#   make docker-build              docker build --tag radam .
#   make docker-reproduce-cifar    the CIFAR-10 study with data, runs and reports mounted
#
# Smaller, for CPUs alone: --build-arg TORCH_INDEX=the index of torch's CPU wheels.
ARG BASE=python:3.11.13-slim-bookworm

FROM ${BASE} AS fairseq
# A compiler. Its version is the pinned base image's business (DL3008).
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ \
    && rm -rf /var/lib/apt/lists/*
# Its metadata asks for a Hydra that nothing else works with, hence --no-deps.
RUN python3 -m venv /opt/build \
    && /opt/build/bin/pip wheel --no-cache-dir --no-deps --wheel-dir /wheels fairseq==0.12.2

FROM ${BASE}
RUN python3 -m venv /opt/venv \
    && useradd --create-home --uid 1000 radam \
    && install --directory --owner=radam /radam /radam/data /radam/runs /radam/reports
ENV PATH=/opt/venv/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /radam
COPY pyproject.toml .
# A layer each (DL3059): what changes seldom and weighs much comes first.
ARG TORCH_INDEX=
RUN python -c "import tomllib; p = tomllib.load(open('pyproject.toml', 'rb'))['project']; \
print('\n'.join(p['dependencies'] + p['optional-dependencies']['experiments']))" > /opt/packages.txt \
    && grep -E '^torch' /opt/packages.txt > /opt/torch.txt \
    && pip install ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} --requirement /opt/torch.txt
# hadolint ignore=DL3059
RUN pip install --requirement /opt/packages.txt
COPY --from=fairseq /wheels /opt/wheels
RUN pip install --no-deps /opt/wheels/*.whl
ENV PYTHONUNBUFFERED=1 RADAM_DATA=/radam/data
COPY --chown=radam . .
# Results say which commit they come from; there is no git in here.
ARG COMMIT=unknown
RUN echo "${COMMIT}" > COMMIT
USER 1000
CMD ["python", "-m", "experiments.sweep", "--help"]
