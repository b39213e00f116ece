"""What generateContent can ask for, and what each field weighs where a target cannot say it.

https://ai.google.dev/api/generate-content and the reference of Vertex AI.
"""

from __future__ import annotations

from collections.abc import Mapping

from unigate.dialects.losses import Fields, hint, meaning
from unigate.parts import Part

__all__ = ["CONFIG", "FIELDS"]

_CONFIG = "generationConfig."

CONFIG: Mapping[str, Part] = {
    "temperature": Part.TEMPERATURE,
    "topP": Part.TOP_P,
    "topK": Part.TOP_K,
    "seed": Part.SEED,
    "frequencyPenalty": Part.FREQUENCY_PENALTY,
    "presencePenalty": Part.PRESENCE_PENALTY,
    "responseLogprobs": Part.LOGPROBS,
    "logprobs": Part.TOP_LOGPROBS,
    "candidateCount": Part.N,
}
"""Fields of the generation config that travel as the JSON they came as."""

FIELDS: Fields = {
    _CONFIG + "temperature": hint(Part.TEMPERATURE),
    _CONFIG + "topP": hint(Part.TOP_P),
    _CONFIG + "topK": hint(Part.TOP_K),
    _CONFIG + "seed": hint(Part.SEED),
    _CONFIG + "frequencyPenalty": hint(Part.FREQUENCY_PENALTY),
    _CONFIG + "presencePenalty": hint(Part.PRESENCE_PENALTY),
    _CONFIG + "responseLogprobs": meaning(Part.LOGPROBS),
    _CONFIG + "logprobs": meaning(Part.TOP_LOGPROBS),
    _CONFIG + "candidateCount": meaning(Part.N),
    _CONFIG + "maxOutputTokens": meaning(Part.MAX_TOKENS),
    _CONFIG + "stopSequences": meaning(Part.STOP),
    _CONFIG + "thinkingConfig.thinkingLevel": hint(Part.EFFORT),
    _CONFIG + "thinkingConfig.thinkingBudget": hint(Part.THINKING_BUDGET),
    _CONFIG + "responseMimeType": meaning(Part.FORMAT),
    _CONFIG + "responseJsonSchema": meaning(Part.FORMAT_SCHEMA),
    _CONFIG + "responseSchema": meaning(Part.FORMAT_SCHEMA),
    _CONFIG + "responseFormat": meaning(Part.FORMAT_SCHEMA),
    _CONFIG + "responseModalities": meaning(Part.AUDIO_OUTPUT),
    "labels": hint(Part.METADATA),
    "store": hint(Part.STORE),
    "tools[].functionDeclarations": meaning(Part.TOOLS),
    "tools[]": hint(Part.HOSTED_TOOLS),
    "tools[].googleSearch": hint(Part.HOSTED_TOOLS),
    "tools[].googleSearchRetrieval": hint(Part.HOSTED_TOOLS),
    "tools[].googleMaps": hint(Part.HOSTED_TOOLS),
    "tools[].urlContext": hint(Part.HOSTED_TOOLS),
    "tools[].codeExecution": hint(Part.HOSTED_TOOLS),
    "tools[].computerUse": meaning(Part.HOSTED_TOOLS),
    "tools[].fileSearch": hint(Part.HOSTED_TOOLS),
    "tools[].mcpServers": meaning(Part.HOSTED_TOOLS),
    "toolConfig.functionCallingConfig.mode": meaning(Part.TOOL_CHOICE),
    "toolConfig.functionCallingConfig.mode.VALIDATED": hint(Part.OTHER),
    "contents[].parts[].inlineData": meaning(Part.IMAGES),
    "contents[].parts[].fileData.fileUri": meaning(Part.FILE_IDS),
    "contents[].parts[].fileData": meaning(Part.IMAGE_URLS),
    "contents[].parts[].inlineData (document)": meaning(Part.DOCUMENTS),
    "contents[].parts[].fileData (document)": meaning(Part.DOCUMENT_URLS),
    "contents[].parts[].inlineData (audio)": meaning(Part.AUDIO),
    "contents[].parts[].inlineData (video)": meaning(Part.VIDEO),
    "contents[].parts[].thoughtSignature": hint(Part.THINKING),
    "contents[].parts[].executableCode": hint(Part.FOREIGN),
    "contents[].parts[].functionResponse.response.error": hint(Part.TOOL_ERRORS),
    "contents[].parts[].functionResponse.parts": meaning(Part.TOOL_IMAGES),
    # Only this format's own services know these.
    "cachedContent": meaning(Part.OTHER),
    "safetySettings": hint(Part.OTHER),
    "serviceTier": hint(Part.OTHER),
    "modelArmorConfig": hint(Part.OTHER),
    "toolConfig.retrievalConfig": hint(Part.OTHER),
    "toolConfig.includeServerSideToolInvocations": hint(Part.OTHER),
    "tools[].functionDeclarations[].behavior": hint(Part.OTHER),
    "tools[].functionDeclarations[].response": hint(Part.OTHER),
    "tools[].functionDeclarations[].responseJsonSchema": hint(Part.OTHER),
    "contents[].parts[].videoMetadata": hint(Part.OTHER),
    "contents[].parts[].mediaResolution": hint(Part.OTHER),
    "contents[].parts[].partMetadata": hint(Part.OTHER),
    _CONFIG + "mediaResolution": hint(Part.OTHER),
    _CONFIG + "speechConfig": hint(Part.OTHER),
    _CONFIG + "imageConfig": hint(Part.OTHER),
    _CONFIG + "translationConfig": hint(Part.OTHER),
    _CONFIG + "audioTimestamp": hint(Part.OTHER),
    _CONFIG + "routingConfig": hint(Part.OTHER),
    _CONFIG + "modelSelectionConfig": hint(Part.OTHER),
    _CONFIG + "enableAffectiveDialog": hint(Part.OTHER),
    _CONFIG + "enableEnhancedCivicAnswers": hint(Part.OTHER),
}
