"""The gateway's side of TensorFlow Serving: its wire, its versions, and batches of calls to it; and of the trainer."""
