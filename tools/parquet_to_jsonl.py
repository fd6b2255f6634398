#!/usr/bin/env python3
"""Parquet and Arrow files to JSON Lines, which ptrain reads: a batch of rows at a time, nested columns as they are.

  parquet_to_jsonl.py FILE...              each FILE.parquet or FILE.arrow becomes FILE.jsonl beside it
  parquet_to_jsonl.py FOLDER               a data set's folder, from the Hub or by save_to_disk: FOLDER/SPLIT.jsonl of each split
  parquet_to_jsonl.py FILE... -o OUT.jsonl.zst    all rows of the files into one; packed by the name: .gz, .zst

Options: --columns a,b: these alone; --drop a,b: all but these; --force: an output that is there is replaced. An output appears whole or not at all.
Times become ISO 8601 texts, decimals numbers, maps objects, bytes that are UTF-8 texts; other bytes (images, sounds) are refused by their column.
Needs pyarrow (pip install pyarrow); written for 14 to 26.
"""
import argparse, datetime, decimal, glob, gzip, json, os, re, sys, tempfile

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ImportError:
    sys.exit("error: pyarrow is missing: pip install pyarrow")

ROWS = 1024


class Refused(Exception):
    pass


def plain(value, column):
    """A value as JSON has it."""
    if isinstance(value, dict):
        return {k: plain(v, column) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v, column) for v in value]
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            raise Refused("column '%s' holds bytes that are no text; leave it out: --drop %s" % (column, column))
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, decimal.Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value


def unmap(kind, value):
    """Maps are given as lists of pairs; where all keys are texts they are objects."""
    if value is None:
        return None
    if pa.types.is_map(kind):
        pairs = [(k, unmap(kind.item_type, v)) for k, v in (value.items() if isinstance(value, dict) else value)]
        return dict(pairs) if all(isinstance(k, str) for k, _ in pairs) else [list(p) for p in pairs]
    if pa.types.is_struct(kind):
        return {f.name: unmap(f.type, value.get(f.name)) for f in kind}
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return [unmap(kind.value_type, v) for v in value]
    return value


def has_map(kind):
    if pa.types.is_map(kind):
        return True
    if pa.types.is_struct(kind):
        return any(has_map(f.type) for f in kind)
    return (pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)) and has_map(kind.value_type)


def batches(path, wanted):
    """Record batches of a file; wanted(names) says which columns."""
    with open(path, "rb") as f:
        head = f.read(6)
    if head[:4] == b"PAR1":
        file = pq.ParquetFile(path)
        yield from file.iter_batches(batch_size=ROWS, columns=wanted(path, file.schema_arrow.names))
        return
    with pa.memory_map(path) as source:
        if head == b"ARROW1":
            reader = pa.ipc.open_file(source)
            parts = (reader.get_batch(i) for i in range(reader.num_record_batches))
        else:
            reader = pa.ipc.open_stream(source)
            parts = iter(reader)
        keep = wanted(path, reader.schema.names)
        for part in parts:
            for at in range(0, part.num_rows, ROWS):
                yield part.select(keep).slice(at, ROWS)


class Output:
    """A file that appears under its name when all is written."""

    def __init__(self, path, force):
        if os.path.exists(path) and not force:
            raise Refused("%s is there already (--force replaces it)" % path)
        self.path = path
        fd, self.tmp = tempfile.mkstemp(prefix=".parquet_to_jsonl.", dir=os.path.dirname(path) or ".")
        self.raw = os.fdopen(fd, "wb")
        if path.endswith(".gz"):
            self.file = gzip.GzipFile(filename="", mode="wb", fileobj=self.raw, mtime=0)
        elif path.endswith(".zst"):
            self.file = pa.CompressedOutputStream(pa.PythonFile(self.raw, mode="w"), "zstd")
        else:
            self.file = self.raw
        self.rows = 0

    def write(self, batch):
        names = batch.schema.names
        maps = {f.name: f.type for f in batch.schema if has_map(f.type)}
        lines = []
        for row in batch.to_pylist():
            for name in names:
                if name in maps:
                    row[name] = unmap(maps[name], row[name])
                row[name] = plain(row[name], name)
            lines.append(json.dumps(row, ensure_ascii=False) + "\n")
        self.file.write("".join(lines).encode("utf-8", "surrogatepass"))
        self.rows += len(lines)

    def finish(self):
        if self.file is not self.raw:
            self.file.close()
        if not self.raw.closed:
            self.raw.flush()
            os.fsync(self.raw.fileno())
            self.raw.close()
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(self.tmp, 0o666 & ~mask)
        os.replace(self.tmp, self.path)
        print("%s: %d rows" % (self.path, self.rows))

    def drop(self):
        try:
            self.raw.close()
        finally:
            if os.path.exists(self.tmp):
                os.unlink(self.tmp)


def convert(paths, out, args):
    def wanted(path, names):
        for given in args.columns + args.drop:
            if given not in names:
                raise Refused("%s has no column '%s'; it has %s" % (path, given, ", ".join(names)))
        return [n for n in names if (n in args.columns if args.columns else n not in args.drop)]

    o = Output(out, args.force)
    try:
        for path in paths:
            for batch in batches(path, wanted):
                o.write(batch)
        o.finish()
    except BaseException:
        o.drop()
        raise


def saved(folder):
    """The files of a folder that save_to_disk wrote, in their order; None: it is none."""
    state = os.path.join(folder, "state.json")
    if not os.path.exists(state):
        return None
    with open(state) as f:
        return [os.path.join(folder, x["filename"]) for x in json.load(f)["_data_files"]]


def splits(folder):
    """{split: its files}"""
    if os.path.exists(os.path.join(folder, "dataset_dict.json")):
        with open(os.path.join(folder, "dataset_dict.json")) as f:
            return {s: saved(os.path.join(folder, s)) or [] for s in json.load(f)["splits"]}
    if saved(folder):
        return {"train": saved(folder)}
    found = {}
    for path in sorted(glob.glob(os.path.join(glob.escape(folder), "**", "*"), recursive=True)):
        if not path.endswith((".parquet", ".arrow")):
            continue
        inner = os.path.relpath(path, folder)[: -len(path) + path.rindex(".")]
        shard = re.sub(r"[-_.]\d{3,}(-of-\d+)?$", "", inner)  # train-00000-of-00002
        found.setdefault(re.sub(r"^data/", "", shard).replace("/", "-"), []).append(path)
    return found


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = lambda text: [x for x in text.split(",") if x]
    p.add_argument("input", nargs="+")
    p.add_argument("-o", "--output")
    p.add_argument("--columns", type=names, default=[])
    p.add_argument("--drop", type=names, default=[])
    p.add_argument("--force", action="store_true")
    args = p.parse_args()
    jobs = []
    for path in args.input:
        if os.path.isdir(path):
            found = splits(path)
            if not found:
                raise Refused("%s: no .parquet or .arrow file in it" % path)
            jobs += [(files, os.path.join(path, split + ".jsonl")) for split, files in found.items()]
        else:
            jobs.append(([path], re.sub(r"\.(parquet|arrow)$", "", path) + ".jsonl"))
    if args.output:
        jobs = [([f for files, _ in jobs for f in files], args.output)]
    for files, out in jobs:
        convert(files, out, args)


if __name__ == "__main__":
    try:
        main()
    except (Refused, OSError, pa.ArrowException, KeyError, ValueError) as e:
        sys.exit("error: %s" % e)
