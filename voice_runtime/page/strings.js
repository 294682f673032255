/** Every text of the page, in English and Spanish: one table, so that a translation is one review. */

export const TEXTS = {
  en: {
    ai_heading: "You will talk to an AI assistant",
    ai_said_first: "The first thing it says:",
    privacy_heading: "Your privacy",
    language: "Language",
    start: "Start the call",
    start_typed: "Start without a microphone",
    start_typed_hint: "You type. The answers are spoken and written.",
    start_hint: "Your browser asks for your microphone.",

    demo: "Demonstration",
    development: "Development system",
    staging: "Test system",
    demo_heading: "This is a demo recogniser: it understands these sentences",
    demo_words: "It was given these sentences and understands little else. Say one of them, or type it.",
    demo_all: "All {count} sentences",
    demo_fill: "Choose a sentence to put it into the text field.",
    demo_said: "What you can say",
    model_heading: "A demonstration without a language model",
    not_a_model: "The answers come from fixed patterns. This is not a language model.",

    connecting: "Connecting…",
    connected: "Connected",
    reconnecting: "Reconnecting…",
    line_lost: "The line is interrupted. It is being connected again.",
    back: "You are connected again.",
    agent_speaking: "The assistant is speaking",
    agent_listening: "The assistant is listening",
    agent_thinking: "The assistant is thinking",
    duration: "Duration of the call",

    captions: "What was said",
    captions_empty: "What you and the assistant say appears here.",
    agent: "Assistant",
    caller: "You",
    interrupted: "interrupted",

    type_here: "Type to the assistant",
    send: "Send",

    person: "Talk to a person",
    person_asked: "You asked for a person.",
    receipt: "Receipt",
    receipt_asked: "You asked for a receipt.",
    receipt_heading: "The receipt for this call",
    receipt_hint: "With this code your call can be found in our records. Keep it: once you leave this page it is not shown again.",
    receipt_is: "The receipt's code is {code}.",
    copy: "Copy",
    copied: "Copied.",
    copy_yourself: "The code is selected. Copy it with your keyboard.",
    mute: "Mute",
    unmute: "Unmute",
    muted: "Your microphone is muted. The assistant cannot hear you.",
    unmuted: "Your microphone is on.",
    keypad: "Keypad",
    keypad_hint: "While this is open, the keys of your keyboard work too.",
    key: "Key {key}",
    star: "star",
    pound: "pound",
    key_sent: "Key {key} sent.",
    devices: "Devices",
    hang_up: "Hang up",
    microphone: "Microphone",
    speaker: "Speaker",
    level: "Level of your microphone",
    microphone_changed: "The microphone is changed.",
    no_microphone: "This call has no microphone. You can type.",

    weak: "Your connection is weak. Words may be lost.",
    good_again: "Your connection is good again.",
    sound_blocked: "Your browser holds the sound back.",
    sound_on: "Turn the sound on",
    no_sound: "No sound is arriving yet. You can type meanwhile.",
    microphone_quiet: "Your microphone is silent. Check that it is switched on, or choose another under Devices.",
    microphone_gone: "Your microphone was disconnected. Plug it in again, choose another under Devices, or type.",

    refused: "The microphone was refused. Allow it in your browser's address bar and start again, or type instead.",
    none_found: "No microphone was found. Connect one and start again, or type instead.",
    in_use: "Another program is using the microphone. Close it and start again, or type instead.",
    microphone_failed: "The microphone could not be opened. Try another one, or type instead.",
    insecure: "This page is not on https, so the browser gives it no microphone. You can type instead.",
    no_webrtc: "This browser cannot place calls. Please use a current Chrome, Edge, Firefox or Safari.",

    ended_heading: "The call has ended",
    hung_up: "You hung up.",
    ended: "The assistant ended the call.",
    ended_person: "Your request went to our staff.",
    failed_heading: "The call could not go on",
    failed: "Something went wrong on our side. We are sorry. Please call again.",
    capacity_heading: "All our lines are busy",
    capacity: "Please try again in a few minutes.",
    unavailable_heading: "No calls are taken now",
    unavailable: "Please try again later.",
    timed_out_heading: "The call has ended",
    timed_out: "Nothing was said for a long time, or the call reached its longest duration.",
    dropped_heading: "The line dropped",
    dropped: "The connection was lost and did not come back. Please check your network and call again.",
    unreachable_heading: "We cannot be reached",
    unreachable: "The server does not answer. Please check your network and try again.",
    token_heading: "The call was not let in",
    token: "Your permission to call has run out. Please try again.",
    origin_heading: "The call was not let in",
    origin: "Calls are not taken from this address. Please use the address you were given.",
    unknown_agent_heading: "There is nobody at this address",
    unknown_agent: "Please check the address you were given.",
    offer_heading: "The call could not be placed",
    offer: "Your browser and our server did not agree on a way to talk. Please try another browser.",
    blocked_heading: "The call could not be connected",
    blocked: "The network you are on may not let calls through. Please try another network.",
    again: "Call again",
    try_again: "Try again",
  },

  es: {
    ai_heading: "Usted hablará con un asistente de inteligencia artificial",
    ai_said_first: "Lo primero que dice:",
    privacy_heading: "Su privacidad",
    language: "Idioma",
    start: "Iniciar la llamada",
    start_typed: "Iniciar sin micrófono",
    start_typed_hint: "Usted escribe. Las respuestas se oyen y se leen.",
    start_hint: "Su navegador le pedirá permiso para usar el micrófono.",

    demo: "Demostración",
    development: "Sistema de desarrollo",
    staging: "Sistema de prueba",
    demo_heading: "Este es un reconocedor de demostración: entiende estas frases",
    demo_words: "Solo se le dieron estas frases y entiende poco más. Diga una de ellas o escríbala.",
    demo_all: "Las {count} frases",
    demo_fill: "Elija una frase para ponerla en el campo de texto.",
    demo_said: "Qué puede decir",
    model_heading: "Una demostración sin modelo de lenguaje",
    not_a_model: "Las respuestas siguen patrones fijos. No es un modelo de lenguaje.",

    connecting: "Conectando…",
    connected: "Conectado",
    reconnecting: "Reconectando…",
    line_lost: "La línea se interrumpió. Se está conectando de nuevo.",
    back: "La conexión ha vuelto.",
    agent_speaking: "El asistente está hablando",
    agent_listening: "El asistente le escucha",
    agent_thinking: "El asistente está pensando",
    duration: "Duración de la llamada",

    captions: "Lo que se dijo",
    captions_empty: "Aquí aparece lo que dicen usted y el asistente.",
    agent: "Asistente",
    caller: "Usted",
    interrupted: "interrumpido",

    type_here: "Escriba al asistente",
    send: "Enviar",

    person: "Hablar con una persona",
    person_asked: "Ha pedido hablar con una persona.",
    receipt: "Recibo",
    receipt_asked: "Ha pedido un recibo.",
    receipt_heading: "El recibo de esta llamada",
    receipt_hint: "Con este código se encuentra su llamada en nuestros registros. Guárdelo: cuando salga de esta página no se mostrará otra vez.",
    receipt_is: "El código del recibo es {code}.",
    copy: "Copiar",
    copied: "Copiado.",
    copy_yourself: "El código está seleccionado. Cópielo con su teclado.",
    mute: "Silenciar",
    unmute: "Activar",
    muted: "Su micrófono está silenciado. El asistente no puede oírle.",
    unmuted: "Su micrófono está activado.",
    keypad: "Teclado",
    keypad_hint: "Mientras esté abierto, también sirven las teclas de su teclado.",
    key: "Tecla {key}",
    star: "asterisco",
    pound: "numeral",
    key_sent: "Tecla {key} enviada.",
    devices: "Equipos",
    hang_up: "Colgar",
    microphone: "Micrófono",
    speaker: "Altavoz",
    level: "Nivel de su micrófono",
    microphone_changed: "Se cambió el micrófono.",
    no_microphone: "Esta llamada no tiene micrófono. Puede escribir.",

    weak: "Su conexión es débil. Pueden perderse palabras.",
    good_again: "Su conexión vuelve a ser buena.",
    sound_blocked: "Su navegador retiene el sonido.",
    sound_on: "Activar el sonido",
    no_sound: "Todavía no llega sonido. Mientras tanto puede escribir.",
    microphone_quiet: "Su micrófono no da sonido. Compruebe que esté encendido o elija otro en Equipos.",
    microphone_gone: "Su micrófono se desconectó. Conéctelo de nuevo, elija otro en Equipos o escriba.",

    refused: "Se denegó el micrófono. Permítalo en la barra de direcciones y empiece de nuevo, o escriba.",
    none_found: "No se encontró ningún micrófono. Conecte uno y empiece de nuevo, o escriba.",
    in_use: "Otro programa está usando el micrófono. Ciérrelo y empiece de nuevo, o escriba.",
    microphone_failed: "No se pudo abrir el micrófono. Pruebe con otro o escriba.",
    insecure: "Esta página no usa https, así que el navegador no le da micrófono. Puede escribir.",
    no_webrtc: "Este navegador no puede hacer llamadas. Use un Chrome, Edge, Firefox o Safari actual.",

    ended_heading: "La llamada ha terminado",
    hung_up: "Usted colgó.",
    ended: "El asistente terminó la llamada.",
    ended_person: "Su solicitud pasó a nuestro personal.",
    failed_heading: "La llamada no pudo continuar",
    failed: "Algo falló de nuestra parte. Lo sentimos. Por favor, llame de nuevo.",
    capacity_heading: "Todas nuestras líneas están ocupadas",
    capacity: "Por favor, inténtelo de nuevo en unos minutos.",
    unavailable_heading: "Ahora no se atienden llamadas",
    unavailable: "Por favor, inténtelo más tarde.",
    timed_out_heading: "La llamada ha terminado",
    timed_out: "No se dijo nada durante mucho tiempo o la llamada llegó a su duración máxima.",
    dropped_heading: "Se cortó la línea",
    dropped: "La conexión se perdió y no volvió. Revise su red y llame de nuevo.",
    unreachable_heading: "No es posible comunicarse con nosotros",
    unreachable: "El servidor no responde. Revise su red e inténtelo de nuevo.",
    token_heading: "La llamada no fue admitida",
    token: "Su permiso para llamar venció. Por favor, inténtelo de nuevo.",
    origin_heading: "La llamada no fue admitida",
    origin: "No se aceptan llamadas desde esta dirección. Use la dirección que le dieron.",
    unknown_agent_heading: "No hay nadie en esta dirección",
    unknown_agent: "Compruebe la dirección que le dieron.",
    offer_heading: "No se pudo hacer la llamada",
    offer: "Su navegador y nuestro servidor no encontraron cómo comunicarse. Pruebe con otro navegador.",
    blocked_heading: "No se pudo conectar la llamada",
    blocked: "Es posible que su red no deje pasar llamadas. Pruebe con otra red.",
    again: "Llamar de nuevo",
    try_again: "Intentar de nuevo",
  },
};

/** The base of a BCP 47 tag: "es" of "es-US". */
export const base = (tag) => tag.toLowerCase().split("-")[0];

/** The language the page itself speaks when the call is in ``tag``: English where there is no translation. */
export const pageLanguage = (tag) => (base(tag) in TEXTS ? base(tag) : "en");

/**
 * A function from a key of TEXTS to its text in the page's language for ``tag``.
 * ``{name}`` in a text is filled from ``values``. Throws on a key that does not exist.
 */
export function translator(tag) {
  const texts = TEXTS[pageLanguage(tag)];
  return (key, values = {}) => {
    if (!Object.hasOwn(texts, key)) throw new Error(`no text named ${key}`);
    return texts[key].replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));
  };
}

/** Put the texts into everything under ``root`` that names one: ``data-text``, ``data-label`` (aria-label). */
export function localise(root, t) {
  for (const element of root.querySelectorAll("[data-text]")) element.textContent = t(element.dataset.text);
  for (const element of root.querySelectorAll("[data-label]")) {
    element.setAttribute("aria-label", t(element.dataset.label));
  }
}

/** A language's name in itself: "español (Estados Unidos)". The tag where the browser knows none. */
export function languageName(tag) {
  try {
    const name = new Intl.DisplayNames([tag], { type: "language" }).of(tag) ?? tag;
    return name.charAt(0).toLocaleUpperCase(tag) + name.slice(1);
  } catch {
    return tag;
  }
}

/** Which of ``offered`` the visitor's browser prefers; the first where it prefers none of them. */
export function preferred(offered, wanted = navigator.languages ?? []) {
  for (const tag of wanted) {
    const exact = offered.find((o) => o.toLowerCase() === tag.toLowerCase());
    const near = exact ?? offered.find((o) => base(o) === base(tag));
    if (near) return near;
  }
  return offered[0];
}
