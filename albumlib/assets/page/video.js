// A video: the way through covers, played and saved.
const LEG = 2500; // milliseconds from one to the next

const keyFrames = () => (shown.starred.length > 1 ? shown.starred.map(fromHash)
  : shown.covers.slice(Math.max(0, shown.place - 1), shown.place + 1).map((cover) => cover.state));

// Shows the way through the key frames and back, until it is stopped or, once, to the end.
async function play(once = false) {
  const frames = keyFrames(), began = performance.now(), own = {};
  if (frames.length < 2) throw Error("a video needs two covers: move something first");
  video = own;
  showVideo();
  for (;;) {
    const time = (performance.now() - began) / LEG;
    if (video !== own || (once && time >= frames.length)) break;
    const leg = Math.floor(time) % frames.length;
    const share = (1 - Math.cos(Math.PI * (time % 1))) / 2; // slower near the key frames
    await draw(between(frames[leg], frames[(leg + 1) % frames.length], share));
    await new Promise(requestAnimationFrame);
  }
}

function stop() {
  video = null;
  showVideo();
}

function showVideo() {
  $("play").textContent = video ? "Stop" : "Play";
  $("take").hidden = !video;
  $("record").disabled = Boolean(video);
}

async function record() {
  const kind = ["video/mp4", "video/webm"].find((kind) => MediaRecorder.isTypeSupported(kind)), parts = [];
  const options = { mimeType: kind, videoBitsPerSecond: 4e6 };
  const recorder = new MediaRecorder(canvas.captureStream(24), options);
  recorder.addEventListener("dataavailable", (event) => parts.push(event.data));
  recorder.start();
  const ended = new Promise((done) => recorder.addEventListener("stop", done));
  try {
    await play(true);
  } finally {
    recorder.stop();
    await ended;
    stop();
  }
  download(new Blob(parts, { type: kind }), `covers.${kind.split("/")[1]}`);
  ask();
}
