import NSTMCommand

NSTMCommand.main()
