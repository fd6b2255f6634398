#!/bin/bash
# Data sets of personas and conversations of people through the program: inspect shows what is trained on («so»), pack what was left out and why.
cd "$(dirname "$0")/../.." || exit 2
ptrain=${PTRAIN:-build/ptrain}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
n=0
result() { # NAME STATUS
    n=$((n + 1))
    if [ "$2" = 0 ]; then echo "ok $n - $1"; else
        sed 's/^/# /' "$dir/out" "$dir/err"
        echo "not ok $n - $1"
    fi
}
formats=tests/golden/data/formats
run() { "$@" >"$dir/out" 2>"$dir/err" </dev/null; }
inspect() { # FILE TYPE SAMPLE [MORE KEYS OF THE DATA SET]
    printf 'init: random
tokenizer: tests/golden/data/tok_bpe
chat_template: chatml
model_config: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 1, num_attention_heads: 2, vocab_size: 772}
output_dir: %s/run
sequence_len: 4096
val_set_size: 0
device: cpu
datasets: [{path: %s, type: %s, bad_rows: drop%s}]\n' "$dir" "$1" "$2" "$4" >"$dir/c.yaml"
    run "$ptrain" inspect "$dir/c.yaml" --sample "$3" && tr '\n' '~' <"$dir/out" >"$dir/line"
}
shows() { grep -qF -- "$1" "$dir/line"; }
trained() { grep -o '«[^»]*»' "$dir/line" | tr -d '\n'; } # all that is trained on

inspect $formats/chatharuhi.jsonl chatharuhi 0 ', view_of: Otto' && shows '|>user~Nell: 「Who left the kettle on?」<|im_end|>' && [ "$(trained)" = '«「Not I.」<|im_end|>»«「There, you see.」<|im_end|>»' ]
result "chatharuhi: the one whose view is taken answers" $?
inspect $formats/characterglm.json characterglm 0 && shows 'hates small talk.~~Jun: A baker from the next street.<|im_end|>' && [ "$(trained)" = '«(looks up from the lamp) You again?<|im_end|>»' ]
result "characterglm: a greeting behind both profiles" $?
inspect $formats/characterbench.jsonl characterbench 0 && [ "$(trained)" = '«You again?<|im_end|>»«Put it there.<|im_end|>»«Thanks. At all.<|im_end|>»' ]
result "characterbench: greeting, answers, and the response behind them" $?
inspect $formats/characterbench.jsonl characterbench 0 ', field_scene: translation_en, split: "train[:1]"' && shows 'Keeps the lighthouse.~~Jun: A baker.' && [ "$(trained)" = '«Bread.<|im_end|>»' ]
result "characterbench: the translation within a row" $?
inspect $formats/characterchat.jsonl characterchat 0 && [ "$(trained)" = '«Morning. What is wrong?<|im_end|>»«I know a smith.<|im_end|>»' ]
result "characterchat: the supporter answers" $?
inspect $formats/characterbox.json characterbox 0 && shows 'The keeper.~at the lamp~tired~~The lamp goes out~night~the lighthouse~Rain beats on the glass.<|im_end|>' &&
    [ "$(trained)" = '«(strikes a match) Hold the door.<|im_end|>»«(lights the lamp)<|im_end|>»' ]
result "characterbox: actions in brackets before what is said" $?
inspect $formats/charactereval.jsonl charactereval 0 ", profiles: $formats/charactereval_profiles.json" && shows '姓名: 老鲁~年龄: 六十~名言: 灯不能灭, 往北~人物关系: {"徒弟": "阿桐"}<|im_end|>' &&
    [ "$(trained)" = '«（叹气）又来了。~还是那盏。<|im_end|>»«点上。<|im_end|>»' ]
result "charactereval: profiles of fields, contexts of lines, the output behind them" $?
inspect $formats/character_llm.jsonl character_llm 0 && [ "$(trained)" = '«[Again this one.]~~Ships like it.<|im_end|>»«(whispering) I do.<|im_end|>»' ] && shows '|>user~And you?~~Do you like it?<|im_end|>'
result "character_llm: lines of the interviewer within the character's turns are not trained on" $?
inspect $formats/coser.json coser 0 && shows 'The keeper.~~Marla has kept the lamp for ten years.~~She wants light.~~Night in the lighthouse.<|im_end|>' &&
    [ "$(trained)" = '«[He is late.] (strikes a match) Hold the door.<|im_end|>»«Good. [At last.]<|im_end|>»' ] && shows '|>user~It is held.<|im_end|>'
result "coser: own thoughts stay, others' are not known" $?
inspect $formats/convai2.txt convai2 0 && shows 'i keep a lamp.~i hate small talk.<|im_end|>' && [ "$(trained)" = '«busy . the lamp is out .<|im_end|>»«hold the door .<|im_end|>»' ]
result "convai2: the replies to the partner, the persona before them" $?
inspect $formats/personachat.jsonl convai2 1 && [ "$(trained)" = '«Hold the door.<|im_end|>»' ] && shows 'assistant~Busy.<|im_end|>'
result "convai2, a row an utterance: earlier replies are context" $?
inspect $formats/lamp.json lamp 0 ", outputs: $formats/lamp_outputs.json" && [ "$(trained)" = '«Dark again<|im_end|>»' ] && shows 'title: Rye again~text: The baker sold out.~~title: Fog'
result "lamp: the user's own texts before the question, the answer from its file" $?
inspect $formats/beyond_dialogue.jsonl beyond_dialogue 0 && [ "$(trained)" = '«{"character": "brisk, kind"}<|im_end|>»' ]
result "beyond_dialogue: the labels as they are asked for" $?

run "$ptrain" pack "$dir/c.yaml" --datasets="[{path: $formats/coser.json, type: coser, view_of: Nobody}]"
[ $? -gt 0 ] && grep -q "view_of: nobody is called 'Nobody'; those who speak: Marla, Jun, Ferryman" "$dir/err"
result "a name that nobody has is refused with those who are there" $?
sed '3s/text/line/' $formats/chatharuhi.jsonl >"$dir/d.jsonl" && echo '{"dialogue": [{"role": "Ann"}]}' >>"$dir/d.jsonl"
run "$ptrain" pack "$dir/c.yaml" --datasets="[{path: $dir/d.jsonl, type: chatharuhi}]"
[ $? = 1 ] && grep -q "d.jsonl:3: line 1 of 'dialogue': no field 'text'; the row has 'role'" "$dir/err"
result "a line without its text is named by row and line" $?
shared=../shared/data/sft
if [ -d $shared ]; then
    inspect $shared/coser_king_lear_sharegpt.json sharegpt 0 && shows '|>user~===Conversation Start===' && [ "$(grep -o '«' "$dir/line" | wc -l)" = "$(grep -o '|>assistant~«' "$dir/line" | wc -l)" ] && shows '|>assistant~«'
    result "coser's sharegpt file: every answer and nothing else is trained on" $?
    run "$ptrain" pack "$dir/c.yaml" --datasets="[{path: $shared/opencharacter_constitution_humor.jsonl, type: messages}]"
    [ $? = 1 ] && grep -q 'a trait and questions without answers, which `ptrain generate` can write' "$dir/err"
    result "opencharacter's constitutions are refused with the way to answers" $?
else
    echo "ok $((n + 1)) - real files # SKIP no ../shared/data"
fi
echo "1..$n"
