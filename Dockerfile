# The server alone, with an export: no torch. docker build -t snips . && docker run -e SNIPS_TOKEN=… -p 8000:8000 snips
FROM python:3.11-slim
WORKDIR /app
RUN useradd --create-home snips
COPY requirements-serve.txt .
RUN pip install --no-cache-dir -r requirements-serve.txt \
    onnxruntime==1.32.0 openvino==2026.4.1 tokenizers==0.23.3 scipy==1.17.1 scikit-learn==1.9.1 seqeval==1.2.2 \
    pydantic==2.14.3 PyYAML==6.0.3 tqdm==4.70.1
COPY pipelines pipelines
COPY data/exports/joint-full-openvino-int8 data/exports/joint-full-openvino-int8
USER snips
EXPOSE 8000
CMD ["python", "-m", "pipelines.cli", "serve", "--host", "0.0.0.0", "--model", "data/exports/joint-full-openvino-int8"]
