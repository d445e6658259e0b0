"""``jointst serve``: a packed model behind OpenAI's transcription API, a WebSocket for live audio, and one page.

The event loop only moves bytes: files are read in threads of their own, searched in one worker thread and live streams
stepped in another.
"""
