"""What every stage needs: errors, files, params, where figures come from."""
