"""The long-lived process that the Slicer panels talk to: JSON lines over its pipes, arrays through files.

``python -m claimslicer.worker --log FILE`` reads one request a line from stdin and answers on stdout:

    → {"request": 1, "task": "segment", "folder": "…/1", "arguments": {…, "image": {"$array": "…npy"}}}
    ← {"event": "progress", "request": 1, "fraction": 0.5, "message": "view 4 of 8"}
    ← {"event": "done", "request": 1, "result": {…}}
    ← {"event": "failed", "request": 1, "kind": "StudyError", "message": "…"}
    ← {"event": "alive", "memory_mb": 812}                                         (every second)
    → {"cancel": 1}

Arrays lie as ``.npy`` files in the request's folder, which whoever asked removes. The process ends when its
stdin closes.
"""
