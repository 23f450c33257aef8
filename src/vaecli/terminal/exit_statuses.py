"""What the exit statuses of the command line mean."""

EXIT_STATUSES = {
    0: "done; also stopped by `--max-time` or `--patience`",
    1: "a defect of vaecli; the message says where the traceback is, and `VAECLI_DEBUG=1` prints "
    "it",
    2: "wrong usage or configuration",
    3: "data missing or unreadable",
    4: "run directory or checkpoint missing or damaged",
    5: "training diverged, or the weights of a model are so large that its results are infinite",
    6: "not enough disk, memory or address space",
    129: "stopped by SIGHUP",
    130: "stopped by SIGINT",
    141: "the reader of stdout went away, as in `vaecli parts | head -1`; a training that finished "
    "is 0",
    143: "stopped by SIGTERM",
}
