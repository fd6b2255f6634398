/* The table of commands. */
#include <string.h>

#include "train/cli/cli.h"

static const pt_command commands[] = {
    {"train", pt_cmd_train, PT_ON_STOP_SAVE, "  ptrain CONFIG                     train (same as ptrain train CONFIG)",
     "ptrain CONFIG [--key=value ...] [--only NAME]\nPacks the data if it changed, prints the plan, trains, saves into output_dir.\n"
              "Ctrl-C, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2 and SIGXCPU finish the step, save, and say how to go on; the same again ends at once.\n"
              "mpirun kills its ranks a second after a SIGTERM: end its jobs by SIGUSR1, or give --mca odls_base_sigkill_timeout 60.\n"
              "A config with `stages` runs them one after another (ptrain help stages); --only: the one of that name.\n"
              "--profile shows at the end where the time went, op by op.\n"},
    {"plan", pt_cmd_plan, PT_ON_STOP_LEAVE, "  ptrain plan CONFIG                memory, steps and rows; nothing is run",
     "ptrain plan CONFIG [--only NAME]\nMemory by role, steps, rows a step, before anything is allocated.\n"},
    {"pack", pt_cmd_pack, PT_ON_STOP_LEAVE, "  ptrain pack CONFIG                tokenise and pack only",
     "ptrain pack CONFIG [--only NAME]\nReads, tokenises and packs the data sets into one HDF5 file and shows what was kept, cut and dropped.\n"},
    {"inspect", pt_cmd_inspect, PT_ON_STOP_LEAVE, "  ptrain inspect CONFIG             packed samples as text, weights visible (--sample N or N-M)",
     "ptrain inspect CONFIG [--sample N | N-M] [--only NAME]\nShows packed samples as text; supervised text stands out.\n"},
    {"audit", pt_cmd_audit, PT_ON_STOP_LEAVE, "  ptrain audit CONFIG               what is wrong or odd with the data, by line; exit code 1 where something is (--output FILE: JSON)",
     "ptrain audit CONFIG [--output FILE] [--only NAME]\nShows the first two packed samples, then what is odd with the data by kind, with the first places and what to do: answers without an end, empty masks,\n"
     "cut records, duplicates and near duplicates, test rows in training, answers that leave their part, personal data, broken characters ...\n"
     "An error is what makes the run or its evaluation wrong, a warning what was most likely not meant, a note what is worth knowing.\n"
     "Exit code 1: an error; with --audit=strict a warning too. --output: all of it as JSON.\n"},
    {"eval", pt_cmd_eval, PT_ON_STOP_LEAVE, "  ptrain eval RUN|MODEL|CONFIG ...  metrics before and after, or of several beside a base, as a table and JSON (--task NAME, --limit N)",
     "ptrain eval RUN|MODEL|CONFIG ... [--adapter DIR ...] [--task NAME] [--limit N] [--output FILE] [--answers FILE]\nThe test data sets of a run (perplexity, ROUGE-L, stopping, repetition, copying, "
     "preference accuracy) and the tasks of `evaluations`, base beside\ntuned. A CONFIG whose run is not there measures its base_model. --task: only the evaluation of that name. --limit: items of each task at most,\n"
     "spread evenly over groups. Answers of the model stand in RUN/eval_answers.jsonl (--answers: elsewhere): who is cut off goes on there.\nSeveral (runs, models, adapters by --adapter DIR) get a column each beside the base: that of the first run, or the first itself where it is a model.\nWhat is measured, the first says; its folder gets eval_beside.json.\n"},
    {"report", pt_cmd_report, PT_ON_STOP_NOTHING, "  ptrain report RUN [RUN ...]       a page to look at: keys, curves, evaluation (RUN/report.html)",
     "ptrain report RUN [RUN ...] [--format html|markdown|json] [--rows N] [--output FILE]\nWhat was trained and what came of it: keys, data and audit, curves of training, evaluation before and after with intervals, profiles, matrices, answers side by side, dialogues. One HTML file that needs\n"
              "nothing else, in RUN/report.html; training and evaluation make it too. Several runs stand beside each other, on stdout or in FILE (.html, .md, .json).\n--rows: of a table, answers and dialogues at most (report_rows of the run, else 200).\n"},
    {"chat", pt_cmd_chat, PT_ON_STOP_LEAVE, "  ptrain chat RUN|MODEL             talk to it (--role NAME)",
     "ptrain chat RUN|MODEL [--role NAME] [--system TEXT] [--adapter DIR] [--max-new-tokens N] [samplers]\nAn empty line or ctrl-d ends; /help lists commands (/regen, /swipe, /continue, /edit, /undo, /reset).\n--prefill TEXT: what every answer begins with.\n--json-schema FILE|TEXT, --regex R, --choices \"A|B\": answers are held to it.\n"},
    {"generate", pt_cmd_generate, PT_ON_STOP_LEAVE, "  ptrain generate RUN|MODEL         --input F.jsonl | --prompt TEXT [--raw]",
     "ptrain generate RUN|MODEL --input F.jsonl | --prompt TEXT [--raw] [--n N] [--max-new-tokens N] [samplers]\nRows: {\"messages\": [...]} or {\"prompt\": TEXT}; a last\nassistant message is continued, and response holds what is new. "
                 "Out: the row with response and finish_reason (stop | length).\n--n: as many answers to each, and which of them it is as sample.\n"
                 "--json-schema FILE|TEXT, --regex R, --choices \"A|B\": answers are held to it; a row's own json_schema, regex or choice (a list) wins.\n"
                 "--num-beams N [--length-penalty X] [--early-stopping true|false|never]: beam search as transformers has it; the answer's score stands beside it.\n"},
    {"score", pt_cmd_score, PT_ON_STOP_LEAVE, "  ptrain score RUN|MODEL            --input F.jsonl: log-probabilities",
     "ptrain score RUN|MODEL ... [--adapter DIR ...] [--ensemble mean|minimum] --input F.jsonl\nRows of input_ids, messages or text; out: logprobs of tokens 2..n, nll, tokens.\n"
               "A reward model gives a score, read at the answer's end token: white space and padding behind it are left out.\nA classifier gives scores, and what they say: predicted. Several runs, or one with several adapters, score together (mean by default): each\nsays what each gave.\n"},
    {"tokenize", pt_cmd_tokenize, PT_ON_STOP_LEAVE, "  ptrain tokenize MODEL|tokenizer.json   --input F.jsonl",
     "ptrain tokenize MODEL|tokenizer.json --input F.jsonl\nRows of text; out: input_ids. Added tokens are recognised; no BOS is added.\n"},
    {"export", pt_cmd_export, PT_ON_STOP_LEAVE, "  ptrain export RUN --to peft|hf|gguf|gguf-lora --out PATH [--type T]",
     "ptrain export RUN --to peft|hf|gguf|gguf-lora --out PATH [--type f32|f16|bf16|Q8_0|Q4_K_M|...] [--imatrix auto|FILE]\n"
               "[--eval-data FILE] [--split-max-size 4G]\n"
               "hf and gguf of a run say its loss on a few rows of its data before and after. Without --type matrices keep the base's type, but for what\n"
               "would lose more than 5 % of what was learnt: that is q8_0, f16 or f32. Only an earlier export is overwritten.\n"
               "--type of gguf: llama-quantize's names (Q2_K ... Q6_K, IQ4_XS, Q8_0): each tensor gets the type that it gives. --imatrix weighs the errors by\n"
               "importances: a file (llama-imatrix's, ptrain imatrix's), or auto: computed on the training rows, --tokens of them at most. A quantised file of a run\n"
               "says its kept gain, on --eval-data, test or validation rows; below 0.8 a larger type is named (docs/exports.md).\n"
               "--split-max-size, of gguf: several files PATH-00001-of-0000N.gguf, each with so many bytes of tensors at most (500M, 4G), as llama.cpp reads\n"
               "them; what fits one file is one.\n"},
    {"imatrix", pt_cmd_imatrix, PT_ON_STOP_LEAVE, "  ptrain imatrix RUN|MODEL --out F.gguf   importances for quantised exports, from training rows or --input",
     "ptrain imatrix RUN|MODEL [--adapter DIR] [--input FILE] [--tokens N] [--context N] --out F.gguf\n"
     "The mean square of what each column of each matrix reads, by which quantisers weigh their errors: what llama-imatrix computes, in its file format.\n"
     "On the training rows of a run; or on --input: JSON lines, or any text, cut into pieces of --context tokens (512) as llama-imatrix cuts it.\n"
     "--tokens: at most so many (32768).\n"},
    {"version", pt_cmd_version, PT_ON_STOP_NOTHING, NULL,
     "ptrain version\nThe version alone.\n"},
    {"doctor", pt_cmd_doctor, PT_ON_STOP_NOTHING, NULL,
     "ptrain doctor\nWhat this machine and this build can do.\n"},
    {"help", pt_cmd_help, PT_ON_STOP_NOTHING, "  ptrain version | doctor | help [COMMAND|KEY]",
     "ptrain help [COMMAND|KEY]\n"},
};

const pt_command *pt_commands(size_t *n)
{
    *n = sizeof commands / sizeof *commands;
    return commands;
}

const pt_command *pt_command_find(const char *name)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (!strcmp(commands[i].name, name)) return &commands[i];
    return NULL;
}
