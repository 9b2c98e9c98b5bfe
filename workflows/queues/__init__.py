"""Run stages through the queue of a cluster; its nodes need the results folder and no database."""
