. /tmp/user/env.sh
cd /tmp/user
rm -rf s1 s2 s3; 
echo "--- sigpipe"; (set -o pipefail; timeout 60 $P -m picogen_cli generate --weights-path $B --stream --bars 60 --output-dir s1 2>s1.err | head -3; echo rc=${PIPESTATUS[*]}); cat s1.err; ls s1
echo "--- json"; G --weights-path $B --stream --json --output-dir s2; echo rc=$?
echo "--- stream"; G --weights-path $O --stream --bars 5 --output-dir s3 --to musicxml 2>s3.err; echo rc=$?; echo; cat s3.err; ls s3
echo "--- closed stdout"; G --weights-path $O --stream --bars 5 --force --output-dir s3 >&- ; echo rc=$?
echo "--- closed stderr"; G --weights-path $O --bars 5 --force --output-dir s3 2>&- ; echo rc=$?
echo "--- dev full"; G --weights-path $O --bars 5 --force --output-dir s3 --json >/dev/full ; echo rc=$?
