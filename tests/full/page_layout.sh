#!/usr/bin/env bash
# The report as a browser draws it (Debian's chromium and chromium-driver, fonts-noto-cjk), at 400 and 1,280 px, light and dark: no two texts overlap, none leaves its box, the page does
# not scroll sideways, contrast is 4.5:1 at least, lines of a drawing differ by dash and have names (tests/page/layout.js). And html5lib, strict, where Python has it (PYTHON=...).
# PICTURES=FOLDER keeps what was drawn; PAGES="plain evil" looks at these alone.
cd "$(dirname "$0")/../.." || exit 2
p=$(realpath "${PTRAIN:-build/ptrain}")
. tests/page/fixture.bash
dir=$(mktemp -d)
driver=
trap '[ "$driver" ] && kill "$driver" 2>/dev/null; rm -rf "$dir"' EXIT
n=0
say() { # RC NAME
    n=$((n + 1))
    if [ "$1" -eq 0 ]; then echo "ok $n - $2"; else head -n 12 "$dir/log" | sed 's/^/# /'; echo "not ok $n - $2"; fi
}
# Pages.
words() { head -c 500 /dev/zero | tr '\0' "$1"; }
page_run "$dir/plain" "Ann"
page_run "$dir/long_names" "a name of exactly sixty characters that is not to be cut off"
page_run "$dir/chinese" "船长安娜和她的猫在大海上航行了三十年从来没有见过陆地"
page_run "$dir/unbroken" "$(words w)"
page_run "$dir/evil" "</script><img src=x onerror=alert(1)>\\u202e\\u0007"
page_run "$dir/one_point" "Ann" 1
page_run "$dir/no_steps" "Ann" 0
page_run "$dir/bare" "Ann" 3 && rm "$dir/bare/eval.json" "$dir/bare/trained.json" "$dir/bare/audit.json"
page_answers "$dir/many" 200 600 && page_metrics "$dir/many/metrics.jsonl" 100000 1
page_beside "$dir/beside" "Ann" $(for i in 1 2 3 4 5 6 7 8; do echo "out/run_number_$i"; done)
pages="plain long_names chinese unbroken evil one_point no_steps bare many beside eight"
for x in $pages; do
    [ "$x" = eight ] || "$p" report "$dir/$x" --output "$dir/$x.html" >>"$dir/log" 2>&1
done
mkdir "$dir/8"
for i in 1 2 3 4 5 6 7 8; do page_run "$dir/8/run number $i of eight, with a name that takes its sixty ch" "Ann" 40 "$i"; done
"$p" report "$dir/8/"* --output "$dir/eight.html" >>"$dir/log" 2>&1
ok=0
for x in $pages; do [ -s "$dir/$x.html" ] || ok=1; done
say $ok "pages of $(echo "$pages" | wc -w) kinds are written"
size=$(wc -c <"$dir/many.html")
say $((size >= 1000000)) "200 answers of 600 characters on both sides and 100,000 steps: $size bytes"

# html5lib.
if "${PYTHON:-python3}" -c 'import html5lib' 2>/dev/null; then
    (cd "$dir" && "${PYTHON:-python3}" -c '
import html5lib, sys
for f in sys.argv[1:]:
    html5lib.HTMLParser(strict=True).parse(open(f, "rb").read())
bad = open(sys.argv[1]).read().replace("</h1>", "", 1)
try:
    html5lib.HTMLParser(strict=True).parse(bad)
except Exception:
    sys.exit(0)
sys.exit("a planted fault was not found")' $(for x in $pages; do echo "$x.html"; done)) >"$dir/log" 2>&1
    say $? "html5lib, strict, takes all pages, and finds a tag that is not closed"
else
    n=$((n + 1)); echo "ok $n - html5lib # SKIP Python has none (PYTHON=...)"
fi

# The browser.
if ! command -v chromedriver >/dev/null || ! command -v curl >/dev/null || ! { command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null; then
    n=$((n + 1)); echo "ok $n - layout in a browser # SKIP no chromium, chromedriver and curl"
    echo "1..$n"
    exit 0
fi
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome)
chromedriver --port=0 >"$dir/driver.log" 2>&1 &
driver=$!
for _ in $(seq 100); do port=$(sed -n 's/.*started successfully on port \([0-9]*\).*/\1/p' "$dir/driver.log"); [ "$port" ] && break; sleep 0.1; done
url=http://127.0.0.1:$port/session
post() { curl -s --noproxy '*' -H 'Content-Type: application/json' -d @- "$url/$1"; }
quoted() { sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/\t/ /g' | tr '\n' ' '; }
session=$(echo "{\"capabilities\": {\"alwaysMatch\": {\"goog:chromeOptions\": {\"binary\": \"$browser\", \"args\": [\"--headless=new\", \"--no-sandbox\", \"--disable-gpu\", \"--disable-dev-shm-usage\", \"--hide-scrollbars\", \"--user-data-dir=$dir/profile\"]}}}}" |
    curl -s --noproxy '*' -H 'Content-Type: application/json' -d @- "$url" | sed -n 's/.*"sessionId":"\([^"]*\)".*/\1/p')
if [ ! "$session" ]; then tail -n 5 "$dir/driver.log" >"$dir/log"; say 1 "a browser starts"; echo "1..$n"; exit 0; fi
# Comments end at a line's end, which the joined script has not: only /* */ are used there.
{ printf '{"script": "'; quoted <tests/page/layout.js; printf '", "args": [WIDTH]}'; } >"$dir/check.json"
look() { # FILE WIDTH light|dark|print: what is wrong, a line each; 1: the browser did not say
    echo "{\"cmd\": \"Emulation.setDeviceMetricsOverride\", \"params\": {\"width\": $2, \"height\": 900, \"deviceScaleFactor\": 1, \"mobile\": false}}" | post "$session/goog/cdp/execute" >/dev/null
    local media=screen scheme=$3
    [ "$3" = print ] && media=print scheme=light
    echo "{\"cmd\": \"Emulation.setEmulatedMedia\", \"params\": {\"media\": \"$media\", \"features\": [{\"name\": \"prefers-color-scheme\", \"value\": \"$scheme\"}]}}" | post "$session/goog/cdp/execute" >/dev/null
    echo "{\"url\": \"file://$1\"}" | post "$session/url" >/dev/null
    sed "s/WIDTH/$2/" "$dir/check.json" | post "$session/execute/sync" >"$dir/said"
    if [ "$PICTURES" ]; then
        echo '{"cmd": "Page.captureScreenshot", "params": {"format": "png", "captureBeyondViewport": true}}' | post "$session/goog/cdp/execute" | sed -n 's/.*"data":"\([^"]*\)".*/\1/p' | base64 -d >"$PICTURES/$(basename "$1" .html)-$2-$3.png"
    fi
    grep -q '^{"value":\[' "$dir/said" || { head -c 400 "$dir/said"; return 1; }
    sed -e 's/^{"value":\[//; s/\]}$//; s/","/"\n"/g' "$dir/said" | grep -v '^$'
}
[ "$PICTURES" ] && mkdir -p "$PICTURES"
for x in ${PAGES:-$pages}; do
    for width in 400 1280; do
        for scheme in light dark; do
            look "$dir/$x.html" $width $scheme >"$dir/log"
            [ ! -s "$dir/log" ]
            say $? "$x, $width px, $scheme"
        done
    done
    case $x in eight | beside) sheet=1031 ;; *) sheet=702 ;; esac # A4 less its margins, on its side or upright
    look "$dir/$x.html" $sheet print >"$dir/log"
    [ ! -s "$dir/log" ]
    say $? "$x, printed"
done
# Faults that were planted are found.
plant() { # NAME MARKUP PATTERN
    sed "s#</h1>#</h1>$2#" "$dir/plain.html" >"$dir/planted.html"
    look "$dir/planted.html" 1280 light >"$dir/log"
    grep -q "$3" "$dir/log"
    say $? "a planted fault is found: $1"
}
plant overlap '<p style="margin:-1.6rem 0 0">planted text over the title</p>' 'texts overlap: .*planted'
plant overflow '<p style="width:6rem;white-space:nowrap">planted text that is far too long for its box</p>' 'text leaves its p: .*planted'
plant "an overlap in SVG" '<svg viewBox="0 0 100 20" style="width:20rem"><text x="5" y="12" style="fill:\#000">planted one</text><text x="9" y="14" style="fill:\#000">planted two</text></svg>' 'texts overlap: .*planted'
plant "a page that scrolls sideways" '<div style="width:3000px">planted</div>' 'scrolls sideways'
plant "faint text" '<p style="color:\#bbb">planted text that is hard to read</p>' 'contrast .*planted'
curl -s --noproxy '*' -X DELETE "$url/$session" >/dev/null
echo "1..$n"
