"""The loss at one point: the share of images misread, by cross-validation over the training data.

It finds the point in input.json and the names of its files in input_ds.json, as `culm hpo` says.
"""

import json
import tarfile
from pathlib import Path

from model import predict, read_images

N_FOLDS = 4

point = json.loads(Path("input.json").read_text())
names = json.loads(Path("input_ds.json").read_text())
images = [image for name in names for image in read_images(name, point["blur"])]
losses = []
for fold in range(N_FOLDS):
    known = [image for number, image in enumerate(images) if number % N_FOLDS != fold]
    asked = images[fold::N_FOLDS]
    wrong = sum(predict(known, pixels, point) != digit for pixels, digit in asked)
    losses.append(wrong / len(asked))
loss = sum(losses) / N_FOLDS
Path("output.json").write_text(json.dumps({"loss": loss}))

# What the next step reads of all points.
Path("point.json").write_text(json.dumps({"point": point, "loss": loss, "folds": losses}))
with tarfile.open("metrics.tgz", "w:gz") as archive:
    archive.add("point.json")
